/**
 * Keys with revisions, a history and leases, in memory: what several
 * {@linkcode MemoryStore}s share, as several clients share one etcd.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import {
  CompactedError,
  type Compare,
  type KV,
  type Op,
  StoreRequestError,
  type WatchEvent,
} from "../state_store.ts";

/** As etcd's `--max-txn-ops`. */
const MAX_OPERATIONS = 128;
/** As etcd's `--max-request-bytes`. */
const MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;

/** A key's whole state. */
export interface MemoryEntry extends KV {
  /** The revision at which the key was created. */
  readonly created: bigint;
  /** The lease that it ends with; 0 for none. */
  readonly lease: bigint;
}

interface MemoryLease {
  readonly ttlMs: number;
  expiresAtMs: number;
}

/** What a transaction came to. */
export interface MemoryResult {
  /** Whether the checks held. */
  readonly committed: boolean;
  /** What each `get` of the branch found. */
  readonly found: readonly (KV | undefined)[];
}

/** A put that may hang on a lease. */
export type MemoryOp = Op & { readonly lease?: bigint };

/** The data. All methods are synchronous: each is one step that nothing can split. */
export class MemoryDatabase {
  /** The clock that leases end by. */
  readonly clock: Clock;
  readonly #entries = new Map<string, MemoryEntry>();
  readonly #leases = new Map<bigint, MemoryLease>();
  readonly #observers = new Set<() => void>();
  #history: WatchEvent[] = [];
  #compacted = 0n;
  #revision = 1n;
  #lastLease = 0n;

  /** An empty database whose leases end by `clock`. */
  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The revision of the last change. */
  get revision(): bigint {
    this.#expireLeases();
    return this.#revision;
  }

  /** When the next lease ends, in the clock's milliseconds; `undefined` without leases. */
  get nextExpiryMs(): number | undefined {
    const ends = [...this.#leases.values()].map((lease) => lease.expiresAtMs);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** The entries whose key starts with `prefix`, by key. */
  entries(prefix: string): MemoryEntry[] {
    this.#expireLeases();
    return [...this.#entries.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => compareKeys(a.key, b.key));
  }

  /** The entry of a key. */
  entry(key: string): MemoryEntry | undefined {
    this.#expireLeases();
    return this.#entries.get(key);
  }

  /**
   * Applies one branch at one new revision, or refuses all of it.
   *
   * @throws {StoreRequestError} as etcd would.
   */
  transact(
    checks: readonly Compare[],
    onSuccess: readonly MemoryOp[],
    onFailure: readonly MemoryOp[],
  ): MemoryResult {
    this.#expireLeases();
    for (const ops of [onSuccess, onFailure]) refuseBadBranch(ops);
    if (checks.length > MAX_OPERATIONS) throw tooMany();
    const committed = checks.every(({ key, expectedVersion }) =>
      (this.#entries.get(key)?.version ?? 0n) === expectedVersion
    );
    const branch = committed ? onSuccess : onFailure;
    for (const op of branch) {
      if (op.lease && !this.#leases.has(op.lease)) {
        throw new StoreRequestError("Cannot put: the lease does not exist");
      }
    }
    return { committed, found: this.#apply(branch) };
  }

  /** Makes a lease and returns its ID. */
  grantLease(ttlMs: number): bigint {
    const id = this.#lastLease += 1n;
    this.#leases.set(id, {
      ttlMs,
      expiresAtMs: this.clock.nowMs() + ttlMs,
    });
    this.#notify();
    return id;
  }

  /** Renews a lease and returns its TTL in milliseconds, 0 if it is gone. */
  renewLease(id: bigint): number {
    this.#expireLeases();
    const lease = this.#leases.get(id);
    if (!lease) return 0;
    lease.expiresAtMs = this.clock.nowMs() + lease.ttlMs;
    return lease.ttlMs;
  }

  /** Ends a lease and deletes its keys. */
  revokeLease(id: bigint): void {
    if (!this.#leases.delete(id)) return;
    const keys = [...this.#entries.values()].filter(({ lease }) =>
      lease === id
    );
    this.#apply(keys.map(({ key }) => ({ type: "delete", key })));
    this.#notify();
  }

  /**
   * The events from a revision on.
   *
   * @throws {CompactedError} if some of them are no longer kept.
   */
  eventsFrom(revision: bigint): readonly WatchEvent[] {
    this.#expireLeases();
    if (revision <= this.#compacted) {
      throw new CompactedError(
        `Cannot watch from revision ${revision}: it is compacted up to ${this.#compacted}`,
        this.#compacted,
      );
    }
    return this.#history.filter(({ kv }) => kv.version >= revision);
  }

  /**
   * Forgets the events up to a revision.
   *
   * @throws {CompactedError} if they were forgotten before.
   * @throws {StoreRequestError} if there was no such revision yet.
   */
  compact(revision: bigint): void {
    if (revision <= this.#compacted) {
      throw new CompactedError(
        `Cannot compact up to revision ${revision}: it is compacted up to ${this.#compacted}`,
        this.#compacted,
      );
    }
    if (revision > this.revision) {
      throw new StoreRequestError(
        `Cannot compact up to revision ${revision}: the store is at ${this.#revision}`,
      );
    }
    this.#compacted = revision;
    this.#history = this.#history.filter(({ kv }) => kv.version > revision);
  }

  /** Calls `observer` after each change until it is taken back. */
  observe(observer: () => void): Disposable {
    this.#observers.add(observer);
    return { [Symbol.dispose]: () => void this.#observers.delete(observer) };
  }

  #apply(ops: readonly MemoryOp[]): (KV | undefined)[] {
    const revision = this.#revision + 1n;
    const found: (KV | undefined)[] = [];
    const events: WatchEvent[] = [];
    for (const op of ops) {
      const before = this.#entries.get(op.key);
      if (op.type === "get") {
        found.push(before && toKV(before));
      } else if (op.type === "put") {
        const entry: MemoryEntry = {
          key: op.key,
          value: op.value.slice(),
          version: revision,
          created: before?.created ?? revision,
          lease: op.lease ?? 0n,
        };
        this.#entries.set(op.key, entry);
        events.push(toEvent("put", entry, before));
      } else if (before) {
        this.#entries.delete(op.key);
        const gone = { ...before, value: new Uint8Array(), version: revision };
        events.push(toEvent("delete", gone, before));
      }
    }
    if (events.length > 0) {
      this.#revision = revision;
      this.#history.push(...events);
      this.#notify();
    }
    return found;
  }

  #expireLeases(): void {
    const nowMs = this.clock.nowMs();
    for (const [id, { expiresAtMs }] of this.#leases) {
      if (expiresAtMs <= nowMs) this.revokeLease(id);
    }
  }

  #notify(): void {
    for (const observer of this.#observers) observer();
  }
}

/** The pair without what only the database knows. */
export function toKV({ key, value, version }: MemoryEntry): KV {
  return { key, value: value.slice(), version };
}

function toEvent(
  type: WatchEvent["type"],
  after: MemoryEntry,
  before: MemoryEntry | undefined,
): WatchEvent {
  return {
    type,
    kv: toKV(after),
    ...(before ? { prevKV: toKV(before) } : {}),
  };
}

/** The order of the keys' bytes, as etcd has it. */
function compareKeys(a: string, b: string): number {
  const encoder = new TextEncoder();
  const [left, right] = [encoder.encode(a), encoder.encode(b)];
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function refuseBadBranch(ops: readonly MemoryOp[]): void {
  if (ops.length > MAX_OPERATIONS) throw tooMany();
  let bytes = 0;
  const written = new Set<string>();
  for (const op of ops) {
    if (op.key === "") {
      throw new StoreRequestError("Cannot do a transaction: a key is empty");
    }
    if (op.type === "get") continue;
    if (written.has(op.key)) {
      throw new StoreRequestError(
        `Cannot do a transaction: it writes "${op.key}" twice`,
      );
    }
    written.add(op.key);
    if (op.type === "put") bytes += op.key.length + op.value.length;
  }
  if (bytes > MAX_REQUEST_BYTES) {
    throw new StoreRequestError("Cannot do a transaction: it is too large");
  }
}

function tooMany(): StoreRequestError {
  return new StoreRequestError(
    `Cannot do a transaction: more than ${MAX_OPERATIONS} operations`,
  );
}
