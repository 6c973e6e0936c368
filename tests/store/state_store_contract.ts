/**
 * What every StateStore does, as cases that run on each backend.
 *
 * @module
 */

import {
  deepStrictEqual,
  match,
  notStrictEqual,
  rejects,
  strictEqual,
} from "node:assert/strict";
import {
  CompactedError,
  type KV,
  LeadershipLostError,
  type StateStore,
  StoreClosedError,
  StoreRequestError,
  type Watch,
  type WatchEvent,
} from "../../src/store/state_store.ts";

/** What a case runs on. */
export interface ContractContext {
  /** The store under test. */
  readonly store: StateStore;
  /** A prefix that no other case uses, ending in `/`. */
  readonly prefix: string;
  /** Another store on the same state; the context closes it. */
  readonly another: () => StateStore;
  /** Makes the backend forget its history up to a revision. */
  readonly compact: (revision: bigint) => Promise<void>;
}

/** A case: its name says what is promised. */
export interface ContractCase {
  /** The name of the test. */
  readonly name: string;
  /** Fails by throwing. */
  readonly run: (context: ContractContext) => Promise<void>;
}

/** The bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(kv: KV | undefined): string | undefined {
  return kv && new TextDecoder().decode(kv.value);
}

/** Takes the next events, each as `type key=value (before)`. */
async function take(watch: Watch, count: number): Promise<string[]> {
  const lines: string[] = [];
  while (lines.length < count) {
    const { value, done } = await watch.next();
    if (done) break;
    lines.push(describe(value));
  }
  return lines;
}

function describe({ type, kv, prevKV }: WatchEvent): string {
  const key = kv.key.slice(kv.key.lastIndexOf("/") + 1);
  return `${type} ${key}=${text(kv)} (${text(prevKV) ?? "none"})`;
}

/** The promises of {@linkcode StateStore} except the election's. */
export const storeContract: readonly ContractCase[] = [
  {
    name: "get() returns what put() wrote, with its version",
    async run({ store, prefix }) {
      const version = await store.put(`${prefix}a`, bytes("one"));
      const kv = await store.get(`${prefix}a`);

      strictEqual(kv?.key, `${prefix}a`);
      strictEqual(text(kv), "one");
      strictEqual(kv.version, version);
      const later = await store.put(`${prefix}a`, bytes("two"));
      strictEqual(later > version, true);
      strictEqual((await store.get(`${prefix}a`))?.version, later);
    },
  },
  {
    name: "get() returns undefined when the key is missing",
    async run({ store, prefix }) {
      strictEqual(await store.get(`${prefix}missing`), undefined);
    },
  },
  {
    name: "delete() removes a key, and succeeds when there is none",
    async run({ store, prefix }) {
      await store.put(`${prefix}a`, bytes("one"));
      await store.delete(`${prefix}a`);
      strictEqual(await store.get(`${prefix}a`), undefined);
      await store.delete(`${prefix}a`);
    },
  },
  {
    name: "put() keeps an empty value and every byte",
    async run({ store, prefix }) {
      const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      await store.put(`${prefix}empty`, new Uint8Array());
      await store.put(`${prefix}every`, every);
      deepStrictEqual(
        (await store.get(`${prefix}empty`))?.value,
        new Uint8Array(),
      );
      deepStrictEqual((await store.get(`${prefix}every`))?.value, every);
    },
  },
  {
    name: "put() takes 1500 KiB and refuses 1.5 MiB whole",
    async run({ store, prefix }) {
      const large = new Uint8Array(1500 * 1024).fill(7);
      await store.put(`${prefix}large`, large);
      deepStrictEqual((await store.get(`${prefix}large`))?.value, large);
      await rejects(
        store.put(`${prefix}larger`, new Uint8Array(1536 * 1024)),
        StoreRequestError,
      );
      strictEqual(await store.get(`${prefix}larger`), undefined);
    },
  },
  {
    name: "list() returns the keys of a prefix in order, and its revision",
    async run({ store, prefix }) {
      await store.put(`${prefix}b/2`, bytes("2"));
      await store.put(`${prefix}b/1`, bytes("1"));
      await store.put(`${prefix}c`, bytes("no"));
      const revision = await store.put(`${prefix}b/10`, bytes("10"));

      const listing = await store.list(`${prefix}b/`);

      deepStrictEqual(
        listing.map(({ key }) => key.slice(prefix.length)),
        ["b/1", "b/10", "b/2"],
      );
      deepStrictEqual(listing.map(text), ["1", "10", "2"]);
      strictEqual(listing.revision >= revision, true);
      strictEqual((await store.list(`${prefix}none/`)).length, 0);
    },
  },
  {
    name: "list() shows 20,000 keys of 1 KiB at one revision while they change",
    async run({ store, prefix }) {
      const value = new Uint8Array(1024).fill(1);
      const names = Array.from(
        { length: 20_000 },
        (_, n) => `${prefix}${String(n).padStart(5, "0")}`,
      );
      for (let from = 0; from < names.length; from += 100) {
        await store.doTransaction(
          [],
          names.slice(from, from + 100).map((key) => ({
            type: "put",
            key,
            value,
          })),
          [],
        );
      }

      // One key after the other is moved from the front to the back while the
      // list is read: a list that mixes revisions would miss or double some.
      const listing = store.list(prefix);
      for (let n = 0; n < 20; n++) {
        await store.doTransaction([], [
          { type: "delete", key: `${prefix}${String(n).padStart(5, "0")}` },
          { type: "put", key: `${prefix}${20_000 + n}`, value },
        ], []);
      }
      const kvs = await listing;

      strictEqual(kvs.length, 20_000);
      strictEqual(new Set(kvs.map(({ key }) => key)).size, 20_000);
      strictEqual(kvs.every((kv) => kv.version <= kvs.revision), true);
      strictEqual(kvs.every((kv) => kv.value.length === 1024), true);
    },
  },
  {
    name:
      "watch() on a key delivers from now on, in order, with what was before",
    async run({ store, prefix }) {
      await store.put(`${prefix}a`, bytes("before"));
      await using watch = await store.watch(`${prefix}a`);
      await store.put(`${prefix}a`, bytes("one"));
      await store.put(`${prefix}ab`, bytes("another key"));
      await store.delete(`${prefix}a`);
      await store.put(`${prefix}a`, bytes("two"));

      deepStrictEqual(await take(watch, 3), [
        "put a=one (before)",
        "delete a= (one)",
        "put a=two (none)",
      ]);
    },
  },
  {
    name: "watch() on a prefix delivers from a past revision on",
    async run({ store, prefix }) {
      const start = await store.put(`${prefix}d/a`, bytes("1"));
      await store.put(`${prefix}d/b`, bytes("2"));
      await store.put(`${prefix}e`, bytes("not this"));
      await store.delete(`${prefix}d/a`);
      await using watch = await store.watch(`${prefix}d/`, {
        startRevision: start,
      });
      await store.put(`${prefix}d/c`, bytes("3"));

      deepStrictEqual(await take(watch, 4), [
        "put a=1 (none)",
        "put b=2 (none)",
        "delete a= (1)",
        "put c=3 (none)",
      ]);
    },
  },
  {
    name: "watch() from the revision after a list misses and repeats nothing",
    async run({ store, prefix }) {
      await store.put(`${prefix}a`, bytes("1"));
      const { revision } = await store.list(prefix);
      await store.put(`${prefix}b`, bytes("2"));
      await using watch = await store.watch(prefix, {
        startRevision: revision + 1n,
      });

      deepStrictEqual(await take(watch, 1), ["put b=2 (none)"]);
    },
  },
  {
    name: "watch() delivers all changes of one transaction with one version",
    async run({ store, prefix }) {
      await using watch = await store.watch(prefix);
      await store.doTransaction([], [
        { type: "put", key: `${prefix}a`, value: bytes("1") },
        { type: "put", key: `${prefix}b`, value: bytes("2") },
      ], []);

      const first = (await watch.next()).value;
      const second = (await watch.next()).value;

      strictEqual(first?.kv.key, `${prefix}a`);
      strictEqual(second?.kv.key, `${prefix}b`);
      strictEqual(first.kv.version, second.kv.version);
    },
  },
  {
    name: "watch() rejects with CompactedError when its start was compacted",
    async run({ store, prefix, compact }) {
      const old = await store.put(`${prefix}a`, bytes("1"));
      const newer = await store.put(`${prefix}a`, bytes("2"));
      await store.put(`${prefix}a`, bytes("3"));
      await compact(newer);

      await rejects(async () => {
        const watch = await store.watch(prefix, { startRevision: old });
        await watch.next();
      }, (error: unknown) => {
        strictEqual(error instanceof CompactedError, true);
        return (error as CompactedError).compactRevision > old;
      });
    },
  },
  {
    name: "watch() ends by its signal with the signal's reason",
    async run({ store, prefix }) {
      const controller = new AbortController();
      const watch = await store.watch(prefix, { signal: controller.signal });
      const next = watch.next();
      controller.abort(new Error("enough"));
      await rejects(next, /enough/);
      strictEqual((await watch.next()).done, true);
    },
  },
  {
    name: "watch() delivers nothing more once it is closed or aborted",
    async run({ store, prefix }) {
      const ops = Array.from({ length: 20 }, (_, n) => ({
        type: "put" as const,
        key: `${prefix}${n}`,
        value: bytes("x"),
      }));
      const closed = await store.watch(prefix);
      const controller = new AbortController();
      const aborted = await store.watch(prefix, { signal: controller.signal });
      await store.doTransaction([], ops, []);
      await closed.next();
      await aborted.next();

      closed.close();
      controller.abort(new Error("enough"));

      strictEqual((await closed.next()).done, true);
      await rejects(aborted.next(), /enough/);
    },
  },
  {
    name:
      "put() of one key at once returns to each the version of its own write",
    async run({ store, prefix }) {
      const watch = await store.watch(prefix);
      const names = Array.from({ length: 10 }, (_, n) => `${n}`);
      const versions = await Promise.all(
        names.map((name) => store.put(`${prefix}a`, bytes(name))),
      );
      for (let seen = 0; seen < names.length; seen++) {
        const { value } = await watch.next();
        const name = text(value?.kv) ?? "";
        strictEqual(value?.kv.version, versions[names.indexOf(name)]);
      }
      watch.close();
    },
  },
  {
    name: "get() and list() give a key as it was put, whatever it begins with",
    async run({ store }) {
      for (const key of ["\ufeffmark", "\u0000zero", "ключ", "🗝"]) {
        await store.put(key, bytes("x"));
        strictEqual((await store.get(key))?.key, key);
        deepStrictEqual((await store.list(key)).map((kv) => kv.key), [key]);
      }
    },
  },
  {
    name: "put() stores the value as it was when it was called",
    async run({ store, prefix }) {
      const value = bytes("AAAA");
      const put = store.put(`${prefix}a`, value);
      value.fill(66);
      await put;
      strictEqual(text(await store.get(`${prefix}a`)), "AAAA");
    },
  },
  {
    name: "put() whose signal aborts before it is sent writes nothing",
    async run({ another, prefix, store }) {
      const controller = new AbortController();
      // A store that has no connection yet cannot have sent anything.
      const put = another().put(`${prefix}a`, bytes("1"), {
        signal: controller.signal,
      });
      controller.abort(new Error("too late"));
      await rejects(put, /too late/);
      strictEqual(await store.get(`${prefix}a`), undefined);
    },
  },
  {
    name: "watch() ends when closed, also while a reader waits",
    async run({ store, prefix }) {
      const watch = await store.watch(prefix);
      const next = watch.next();
      watch.close();
      strictEqual((await next).done, true);
    },
  },
  {
    name: "doTransaction() applies onSuccess when all checks hold",
    async run({ store, prefix }) {
      const version = await store.put(`${prefix}a`, bytes("1"));
      const results: (KV | undefined)[] = [];

      const committed = await store.doTransaction(
        [
          { key: `${prefix}a`, expectedVersion: version },
          { key: `${prefix}b`, expectedVersion: 0n },
        ],
        [
          { type: "get", key: `${prefix}a` },
          { type: "put", key: `${prefix}b`, value: bytes("2") },
          { type: "delete", key: `${prefix}a` },
          { type: "get", key: `${prefix}missing` },
        ],
        [{ type: "put", key: `${prefix}c`, value: bytes("3") }],
        { results },
      );

      strictEqual(committed, true);
      deepStrictEqual(results.map(text), ["1", undefined]);
      strictEqual(await store.get(`${prefix}a`), undefined);
      strictEqual(text(await store.get(`${prefix}b`)), "2");
      strictEqual(await store.get(`${prefix}c`), undefined);
    },
  },
  {
    name: "doTransaction() applies onFailure when one check fails",
    async run({ store, prefix }) {
      await store.put(`${prefix}a`, bytes("1"));
      const results: (KV | undefined)[] = [];

      const committed = await store.doTransaction(
        [{ key: `${prefix}a`, expectedVersion: 0n }],
        [{ type: "delete", key: `${prefix}a` }],
        [
          { type: "put", key: `${prefix}c`, value: bytes("3") },
          { type: "get", key: `${prefix}a` },
        ],
        { results },
      );

      strictEqual(committed, false);
      deepStrictEqual(results.map(text), ["1"]);
      strictEqual(text(await store.get(`${prefix}a`)), "1");
      strictEqual(text(await store.get(`${prefix}c`)), "3");
    },
  },
  {
    name: "doTransaction() lets one of many who create the same key win",
    async run({ store, prefix, another }) {
      const stores = [store, another()];
      const outcomes = await Promise.all(
        Array.from(
          { length: 20 },
          (_, n) =>
            (stores[n % 2] ?? store).doTransaction(
              [{ key: `${prefix}once`, expectedVersion: 0n }],
              [{ type: "put", key: `${prefix}once`, value: bytes(`${n}`) }],
              [],
            ),
        ),
      );

      strictEqual(outcomes.filter((won) => won).length, 1);
      strictEqual(
        text(await store.get(`${prefix}once`)),
        `${outcomes.indexOf(true)}`,
      );
    },
  },
  {
    name: "doTransaction() takes 128 operations and refuses 129 whole",
    async run({ store, prefix }) {
      const ops = (count: number) =>
        Array.from({ length: count }, (_, n) => ({
          type: "put" as const,
          key: `${prefix}${count}/${n}`,
          value: bytes("x"),
        }));
      strictEqual(await store.doTransaction([], ops(128), []), true);
      strictEqual((await store.list(`${prefix}128/`)).length, 128);
      await rejects(
        store.doTransaction([], ops(129), []),
        StoreRequestError,
      );
      strictEqual((await store.list(`${prefix}129/`)).length, 0);
    },
  },
  {
    name: "doTransaction() refuses two writes of one key whole",
    async run({ store, prefix }) {
      await rejects(
        store.doTransaction([], [
          { type: "put", key: `${prefix}other`, value: bytes("1") },
          { type: "put", key: `${prefix}twice`, value: bytes("1") },
          { type: "put", key: `${prefix}twice`, value: bytes("2") },
        ], []),
        StoreRequestError,
      );
      strictEqual((await store.list(prefix)).length, 0);
    },
  },
  {
    name: "every call rejects with the reason of a signal that is aborted",
    async run({ store, prefix }) {
      const signal = AbortSignal.abort(new Error("too late"));
      const calls = [
        store.get(prefix, { signal }),
        store.put(prefix, bytes("x"), { signal }),
        store.delete(prefix, { signal }),
        store.list(prefix, { signal }),
        store.watch(prefix, { signal }),
        store.getLeader({ signal }),
        store.campaign("n", 5, { signal }),
        store.doTransaction([], [], [], { signal }),
      ];
      for (const call of calls) await rejects(call, /too late/);
      strictEqual(await store.get(prefix), undefined);
    },
  },
  {
    name: "every call rejects after close(), which may be called twice",
    async run({ another, prefix }) {
      const store = another();
      await store.put(`${prefix}a`, bytes("1"));
      await store.close();
      await store.close();
      const calls = [
        store.get(prefix),
        store.put(prefix, bytes("x")),
        store.delete(prefix),
        store.list(prefix),
        store.watch(prefix),
        store.getLeader(),
        store.campaign("n", 5),
        store.doTransaction([], [], []),
      ];
      for (const call of calls) await rejects(call, StoreClosedError);
    },
  },
  {
    name: "close() ends the watches that are open",
    async run({ another, prefix }) {
      const store = another();
      const watch = await store.watch(prefix);
      const next = watch.next();
      await store.close();
      await rejects(next, StoreClosedError);
    },
  },
];

/** The promises of the election part of {@linkcode StateStore}. */
export const electionContract: readonly ContractCase[] = [
  {
    name: "campaign() makes the first candidate leader, for all to see",
    async run({ store, another }) {
      await using term = await store.campaign("first", 5);

      strictEqual(term.leaderId, "first");
      strictEqual(term.signal.aborted, false);
      strictEqual(await another().getLeader(), "first");
      match(term.guard.key, /^\/kat\/leader_election\/[0-9a-f]+$/);
      strictEqual(term.guard.expectedVersion, term.fence);
    },
  },
  {
    name: "campaign() waits until the one ahead resigns, and fences rise",
    async run({ store, another }) {
      const first = await store.campaign("first", 5);
      let elected = false;
      const waiting = another().campaign("second", 5).finally(() => {
        elected = true;
      });
      // The second is in the queue once it has its own key.
      const queue = await store.watch("/kat/leader_election/", {
        startRevision: first.fence + 1n,
      });
      await queue.next();
      queue.close();
      strictEqual(elected, false);
      strictEqual(await store.getLeader(), "first");

      await first.resign();
      const second = await waiting;

      strictEqual(second.fence > first.fence, true);
      strictEqual(await store.getLeader(), "second");
      match(String(first.signal.reason), /Resigned leadership/);
      await second.resign();
      strictEqual(await store.getLeader(), undefined);
    },
  },
  {
    name: "campaign() of a candidate that gives up leaves no key behind",
    async run({ store, another }) {
      await using _first = await store.campaign("first", 5);
      const controller = new AbortController();
      const waiting = another().campaign("second", 5, {
        signal: controller.signal,
      });
      const queue = await store.watch("/kat/leader_election/");
      const { value: entered } = await queue.next();
      controller.abort(new Error("given up"));

      await rejects(waiting, /given up/);
      const { value: left } = await queue.next();
      queue.close();

      strictEqual(left?.type, "delete");
      strictEqual(left.kv.key, entered?.kv.key);
    },
  },
  {
    name: "campaign() refuses a second campaign of the same store",
    async run({ store }) {
      await using _term = await store.campaign("first", 5);
      await rejects(store.campaign("again", 5), /already takes part/);
    },
  },
  {
    name: "resign() of the store ends its term, and nothing without one",
    async run({ store }) {
      await store.resign();
      const term = await store.campaign("first", 5);
      await store.resign();
      strictEqual(term.signal.aborted, true);
      strictEqual(await store.getLeader(), undefined);
      await using again = await store.campaign("first", 5);
      strictEqual(again.fence > term.fence, true);
    },
  },
  {
    name: "resign() of one term does not forget the next",
    async run({ store }) {
      await store.campaign("first", 5);
      const resigning = store.resign();
      const term = await store.campaign("first", 5);
      await resigning;
      await store.resign();
      strictEqual(term.signal.aborted, true);
      strictEqual(await store.getLeader(), undefined);
    },
  },
  {
    name: "close() resigns, so that the next one leads at once",
    async run({ store, another }) {
      const leader = another();
      const term = await leader.campaign("first", 60);
      const waiting = store.campaign("second", 5);
      await leader.close();
      await using second = await waiting;
      strictEqual(term.signal.aborted, true);
      strictEqual(second.leaderId, "second");
    },
  },
  {
    name: "Leadership.doTransaction() writes while the term holds",
    async run({ store, prefix }) {
      await using term = await store.campaign("first", 5);
      const results: (KV | undefined)[] = [];
      const key = `${prefix}a`;

      strictEqual(
        await term.doTransaction([], [
          { type: "put", key, value: bytes("1") },
          { type: "get", key: `${prefix}b` },
        ], { results }),
        true,
      );
      strictEqual(
        await term.doTransaction([{ key, expectedVersion: 0n }], [
          { type: "put", key, value: bytes("2") },
        ]),
        false,
      );

      deepStrictEqual(results, [undefined]);
      strictEqual(text(await store.get(key)), "1");
      strictEqual(term.signal.aborted, false);
    },
  },
  {
    name: "Leadership.guard is refused by the store after the term",
    async run({ store, prefix }) {
      const term = await store.campaign("first", 5);
      await term.resign();

      strictEqual(
        await store.doTransaction([term.guard], [
          { type: "put", key: `${prefix}a`, value: bytes("stale") },
        ], []),
        false,
      );
      await rejects(
        term.doTransaction([], [
          { type: "put", key: `${prefix}a`, value: bytes("stale") },
        ]),
        /Resigned leadership/,
      );
      strictEqual(await store.get(`${prefix}a`), undefined);
    },
  },
  {
    name:
      "Leadership.doTransaction() is refused at once when the leader's key is gone",
    async run({ store, another, prefix }) {
      const term = await store.campaign("first", 5);
      await another().delete(term.guard.key);
      // Whether or not the leader has noticed yet.
      await rejects(
        term.doTransaction([], [
          { type: "put", key: `${prefix}a`, value: bytes("stale") },
        ]),
        LeadershipLostError,
      );
      strictEqual(await store.get(`${prefix}a`), undefined);
      strictEqual(term.signal.aborted, true);
    },
  },
  {
    name:
      "Leadership.signal aborts when another client deletes the leader's key",
    async run({ store, another }) {
      const term = await store.campaign("first", 5);
      const over = new Promise((resolve) =>
        term.signal.addEventListener("abort", resolve, { once: true })
      );
      await another().delete(term.guard.key);
      await over;
      match(String(term.signal.reason), /election key is gone/);
      await term.resign();
      await using again = await store.campaign("first", 5);
      notStrictEqual(again.guard.key, term.guard.key);
    },
  },
];
