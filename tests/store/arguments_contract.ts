/**
 * What every StateStore makes of arguments that are not of the documented kind,
 * as cases that run on each backend.
 *
 * @module
 */

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import {
  LeadershipLostError,
  type Op,
  ResignedError,
  type StateStore,
  StoreRequestError,
} from "../../src/store/state_store.ts";
import { bytes, type ContractCase } from "./state_store_contract.ts";

type ErrorClass = abstract new (...args: never[]) => Error;
type Call = (store: StateStore, strange: unknown) => Promise<unknown>;

const put = (key: unknown): Op => ({
  type: "put",
  key: key as string,
  value: bytes("x"),
});

/** Every method that takes a time-out. */
const WITH_TIMEOUT: Readonly<Record<string, Call>> = {
  put: (store, timeoutMs) =>
    store.put("/args/a", bytes("x"), { timeoutMs } as never),
  get: (store, timeoutMs) => store.get("/args/a", { timeoutMs } as never),
  delete: (store, timeoutMs) => store.delete("/args/b", { timeoutMs } as never),
  list: (store, timeoutMs) => store.list("/args/", { timeoutMs } as never),
  getLeader: (store, timeoutMs) => store.getLeader({ timeoutMs } as never),
  doTransaction: (store, timeoutMs) =>
    store.doTransaction([], [put("/args/c")], [], { timeoutMs } as never),
  "doTransaction of a term": (store, timeoutMs) =>
    inTerm(
      store,
      (term) =>
        term.doTransaction([], [put("/args/d")], { timeoutMs } as never),
    ),
  "resign of a term": (store, timeoutMs) =>
    inTerm(store, (term) => term.resign({ timeoutMs } as never)),
};

/** Every place for a key. */
const WITH_KEY: Readonly<Record<string, Call>> = {
  put: (store, key) => store.put(key as string, bytes("x")),
  get: (store, key) => store.get(key as string),
  delete: (store, key) => store.delete(key as string),
  "a check": (store, key) =>
    store.doTransaction([{ key, expectedVersion: 0n } as never], [], []),
  "a put in a transaction": (store, key) =>
    store.doTransaction([], [put(key)], []),
  "a get in the other branch": (store, key) =>
    store.doTransaction([], [], [{ type: "get", key } as never]),
};

/** Every place for a revision. */
const WITH_REVISION: Readonly<Record<string, Call>> = {
  expectedVersion: (store, expectedVersion) =>
    store.doTransaction([{ key: "/args/none", expectedVersion } as never], [
      put("/args/e"),
    ], []),
  startRevision: async (store, startRevision) => {
    await using _ = await store.watch("/args/", { startRevision } as never);
  },
};

async function inTerm(
  store: StateStore,
  act: (term: Awaited<ReturnType<StateStore["campaign"]>>) => Promise<unknown>,
): Promise<void> {
  await using term = await store.campaign("args", 5);
  await act(term);
}

async function refused(
  { calls, store, strange, as }: {
    readonly calls: Readonly<Record<string, Call>>;
    readonly store: StateStore;
    readonly strange: unknown;
    readonly as: ErrorClass;
  },
): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    await rejects(
      call(store, strange),
      as as never,
      `${name} of ${String(strange)}`,
    );
  }
}

/** The promises about arguments. */
export const argumentsContract: readonly ContractCase[] = [
  ...[NaN, "5", null, 5n].map((strange) => ({
    name: `every call refuses a time-out of ${typeof strange} ${strange}`,
    run: ({ store }: { readonly store: StateStore }) =>
      refused({ calls: WITH_TIMEOUT, store, strange, as: TypeError }),
  })),
  ...[Infinity, Number.MAX_SAFE_INTEGER, 1e15, 2 ** 31, 5_000.5].map((
    timeoutMs,
  ) => ({
    name: `every call takes a time-out of ${timeoutMs}`,
    async run({ store }: { readonly store: StateStore }) {
      for (const call of Object.values(WITH_TIMEOUT)) {
        await call(store, timeoutMs);
      }
    },
  })),
  {
    name: "no call takes half a character in a key, nor an empty key",
    async run({ store }) {
      const calls = WITH_KEY;
      await refused({ calls, store, strange: "/\ud800", as: TypeError });
      await refused({ calls, store, strange: 7, as: TypeError });
      await refused({ calls, store, strange: undefined, as: TypeError });
      await refused({ calls, store, strange: "", as: StoreRequestError });
      await rejects(store.list("\udc00"), TypeError);
      await rejects(store.watch("\udc00"), TypeError);
    },
  },
  {
    name: "put() refuses what is no value, and writes nothing",
    async run({ store, prefix }) {
      const gone = new Uint8Array(4);
      structuredClone(gone, { transfer: [gone.buffer] });
      for (const strange of ["text", undefined, [1], gone]) {
        const value = strange as Uint8Array;
        await rejects(store.put(`${prefix}a`, value), TypeError);
        const ops: Op[] = [{ type: "put", key: `${prefix}a`, value }];
        await rejects(store.doTransaction([], ops, []), TypeError);
      }
      strictEqual(await store.get(`${prefix}a`), undefined);
    },
  },
  {
    name: "checks and watches refuse revisions that no store can have",
    async run({ store }) {
      const calls = WITH_REVISION;
      for (const strange of [-1n, 2n ** 63n, 2n ** 64n]) {
        await refused({ calls, store, strange, as: RangeError });
      }
      await refused({ calls, store, strange: 1, as: TypeError });
      strictEqual(await store.get("/args/e"), undefined);
      const last = { key: "/args/none", expectedVersion: 2n ** 63n - 1n };
      strictEqual(
        await store.doTransaction([last], [put("/args/e")], []),
        false,
      );
    },
  },
  {
    name: "campaign() refuses a TTL that no lease can have",
    async run({ store }) {
      for (const ttl of [0, -1, 1.5, NaN, Infinity, 2_000_001, 1e10]) {
        await rejects(store.campaign("args", ttl), RangeError, String(ttl));
      }
      await rejects(store.campaign("args", "5" as never), TypeError);
      await rejects(store.campaign(undefined as never, 5), TypeError);
      strictEqual(await store.getLeader(), undefined);
      await using term = await store.campaign("args", 2_000_000);
      strictEqual(term.signal.aborted, false);
    },
  },
  {
    name:
      "watch() takes any prefix if it is told so, and a key that ends with /",
    async run({ store, prefix }) {
      const start = await store.put(`${prefix}app-1`, bytes("1"));
      await store.put(`${prefix}app-`, bytes("2"));
      await store.put(`${prefix}`, bytes("3"));
      const first = async (key: string, isPrefix: boolean) => {
        await using watch = await store.watch(key, {
          startRevision: start,
          prefix: isPrefix,
        });
        return (await watch.next()).value?.kv.key;
      };
      strictEqual(await first(`${prefix}app-`, true), `${prefix}app-1`);
      strictEqual(await first(`${prefix}app-`, false), `${prefix}app-`);
      strictEqual(await first(prefix, false), prefix);
    },
  },
  {
    name: "each watch has events of its own",
    async run({ store, prefix }) {
      const startRevision = await store.put(`${prefix}a`, bytes("one"));
      const options = { startRevision };
      await using one = await store.watch(prefix, options);
      await using other = await store.watch(prefix, options);
      (await one.next()).value?.kv.value.fill(0);
      deepStrictEqual((await other.next()).value?.kv.value, bytes("one"));
    },
  },
  {
    name: "a term's transaction says of a resigned term that it was resigned",
    async run({ store, prefix }) {
      const term = await store.campaign("args", 5);
      const writes = Array.from(
        { length: 50 },
        (_, n) =>
          term.doTransaction([], [{
            type: "put",
            key: `${prefix}${n}`,
            value: bytes("x"),
          }]).catch((error) => error),
      );
      await term.resign();
      for (const outcome of await Promise.all(writes)) {
        ok(outcome === true || outcome instanceof ResignedError, `${outcome}`);
      }
      await rejects(term.doTransaction([], []), ResignedError);
    },
  },
  {
    name: "a term's transaction takes 127 checks and refuses 128",
    async run({ store, prefix }) {
      await using term = await store.campaign("args", 5);
      const checks = Array.from({ length: 127 }, (_, n) => ({
        key: `${prefix}${n}`,
        expectedVersion: 0n,
      }));
      strictEqual(await term.doTransaction(checks, []), true);
      const one = { key: prefix, expectedVersion: 0n };
      await rejects(
        term.doTransaction([...checks, one], []),
        StoreRequestError,
      );
    },
  },
  {
    name: "campaign() gives back the lease of a term whose key was deleted",
    async run({ store, another }) {
      const lost = await store.campaign("args", 5);
      const gone = new Promise<void>((resolve) =>
        lost.signal.addEventListener("abort", () => resolve())
      );
      await another().delete(lost.guard.key);
      await gone;
      ok(lost.signal.reason instanceof LeadershipLostError);
      await using next = await store.campaign("args", 5);
      ok(next.fence > lost.fence);
      await lost.resign();
      strictEqual(next.signal.aborted, false);
    },
  },
];
