import { MemoryDatabase } from "./memory_database.ts";
import { MemoryStore } from "./memory_store.ts";
import { systemClock } from "../../base/clock.ts";
import { argumentsContract } from "../../../tests/store/arguments_contract.ts";
import { runContract } from "../../../tests/store/run_contract.ts";
import {
  electionContract,
  storeContract,
} from "../../../tests/store/state_store_contract.ts";

runContract("MemoryStore", [
  ...storeContract,
  ...electionContract,
  ...argumentsContract,
], () => {
  const database = new MemoryDatabase(systemClock);
  return Promise.resolve({
    open: () => new MemoryStore({ database }),
    compact: (revision: bigint) => Promise.resolve(database.compact(revision)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
