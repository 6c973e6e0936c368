import { rejects, strictEqual } from "node:assert/strict";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import { toCallError } from "../../etcd/client/etcd_call_error.ts";
import { toStoreError } from "../etcd/etcd_errors.ts";
import { MemoryDatabase } from "../memory/memory_database.ts";
import { MemoryStore } from "../memory/memory_store.ts";
import {
  OutcomeUnknownError,
  StoreError,
  StoreRequestError,
  StoreUnavailableError,
} from "../state_store.ts";

/** What the store makes of an answer of etcd that no client was told to expect. */
function oddError(code: number): unknown {
  const answer = { code, details: "etcdserver: never heard of" };
  return toStoreError(toCallError(answer, "http://127.0.0.1:2379"), "do it");
}

/** All statuses of gRPC but OK, and one that does not exist. */
const STATUSES = [...Array.from({ length: 16 }, (_, index) => index + 1), 99];

Deno.test("toStoreError() makes an error of every status, known or not, and never a success", () => {
  for (const status of STATUSES) {
    const error = oddError(status);

    strictEqual(error instanceof StoreError, true, `status ${status}`);
    strictEqual(
      error instanceof OutcomeUnknownError ||
        error instanceof StoreRequestError ||
        error instanceof StoreUnavailableError,
      true,
      `status ${status}`,
    );
  }
});

Deno.test("toStoreError() says of an error it does not know that the write may have been done", () => {
  // CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, ABORTED, INTERNAL, UNAVAILABLE, DATA_LOSS, none.
  for (const status of [1, 2, 4, 10, 13, 14, 15, 99]) {
    strictEqual(oddError(status) instanceof OutcomeUnknownError, true);
  }
});

Deno.test("Leadership outlives every error of a guarded write and of the look at its key", async () => {
  const clock = new FakeClock();
  const database = new MemoryDatabase(clock);
  await using store = new MemoryStore({ database, clock });
  const leadership = await store.campaign("n1", 10);
  const { get, doTransaction } = store;
  let looks = 0;
  for (const status of STATUSES) {
    store.doTransaction = () => Promise.reject(oddError(status));
    store.get = () => {
      looks += 1;
      return Promise.reject(oddError(status));
    };
    await rejects(leadership.doTransaction([], []), StoreError);
    await clock.advance(5_000);

    strictEqual(leadership.signal.aborted, false, `status ${status}`);
  }
  strictEqual(looks >= STATUSES.length, true);

  Object.assign(store, { get, doTransaction });
  strictEqual(await leadership.doTransaction([], []), true);
});
