import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { FakeClock } from "../../tests/fakes/fake_clock.ts";
import { MemoryStore } from "../store/memory/memory_store.ts";
import {
  StoreUnavailableError,
  type Watch,
  type WatchOptions,
} from "../store/state_store.ts";
import { observeLeader } from "./observe_leader.ts";

/** A store whose watches tell nothing. */
class DeafStore extends MemoryStore {
  leader: string | undefined = "n2";
  isAway = false;
  watches = 0;

  override watch(_prefix: string, options?: WatchOptions): Promise<Watch> {
    this.watches += 1;
    return super.watch("/nobody/writes/here/", options);
  }

  override getLeader(): Promise<string | undefined> {
    return this.isAway
      ? Promise.reject(new StoreUnavailableError("The store is away"))
      : Promise.resolve(this.leader);
  }
}

async function observe() {
  const clock = new FakeClock();
  const store = new DeafStore({ clock });
  const stop = new AbortController();
  const seen: (string | undefined)[] = [];
  const observing = observeLeader(store, {
    leaderId: "n1",
    onLeader: (leader) => seen.push(leader),
    clock,
    signal: stop.signal,
  });
  await clock.advance(0);
  return {
    clock,
    store,
    seen,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("The test is over"));
      await observing;
      await store[Symbol.asyncDispose]();
    },
  };
}

Deno.test("observeLeader() sees a leader whose event was lost, on the watch that it has", async () => {
  await using observed = await observe();
  const { clock, store, seen } = observed;
  deepStrictEqual(seen, ["n2"]);
  store.leader = "n3";
  await clock.advance(15_000);
  deepStrictEqual(seen, ["n2", "n3"]);
  await clock.advance(60_000);
  strictEqual(store.watches, 1);
});

Deno.test("observeLeader() begins anew when a look between events fails", async () => {
  await using observed = await observe();
  const { clock, store, seen } = observed;
  store.isAway = true;
  await clock.advance(15_000);
  store.isAway = false;
  store.leader = "n3";
  await clock.advance(1_000);
  strictEqual(seen.at(-1), "n3");
  ok(store.watches > 1, "the watch was not opened again");
});
