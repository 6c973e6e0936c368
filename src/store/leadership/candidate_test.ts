import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import { Candidate } from "./candidate.ts";
import { electionKey } from "../keys.ts";
import { MemoryDatabase } from "../memory/memory_database.ts";
import { MemoryElectionPort } from "../memory/memory_election_port.ts";
import { MemoryStore } from "../memory/memory_store.ts";

Deno.test("Candidate takes no term from an answer that came after its lease was over", async () => {
  const clock = new FakeClock();
  const database = new MemoryDatabase(clock);
  await using store = new MemoryStore({ database, clock });
  const keys: string[] = [];
  const port = new MemoryElectionPort(database, () => {});
  const predecessor = port.predecessor.bind(port);
  port.predecessor = async (key, createRevision, options) => {
    keys.push(key);
    const answer = await predecessor(key, createRevision, options);
    // The process stood still between the answer and its arrival, once.
    if (keys.length === 1) clock.jump(20_000);
    return answer;
  };
  const candidate = new Candidate(store, port, clock);

  const campaign = candidate.campaign("n1", { leaseTtlSeconds: 10 });
  await clock.advance(5_000);
  const term = await campaign;

  deepStrictEqual(keys, [electionKey(1n), electionKey(2n)]);
  strictEqual(term.guard.key, electionKey(2n));
  strictEqual(term.signal.aborted, false);
  await candidate.close();
});
