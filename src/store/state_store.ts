/**
 * The one interface to state, and its promises. Nothing that uses it imports etcd.
 *
 * Outcomes are three: done, certainly not done, unknown. A write that may have
 * been done is never sent again without the caller: it rejects with
 * {@linkcode OutcomeUnknownError}, and the caller reads or compares to find out.
 *
 * A store is bound to one cluster: that of the first answer, for its life. When
 * another answers, calls and watches end with {@linkcode AnotherClusterError}.
 *
 * What it does not promise: that two writes of different callers are seen in
 * the order in which they were started, that a watch delivers within any time,
 * or that holding a {@linkcode Leadership} is proof of being the leader: see there.
 *
 * @module
 */

import { KatError, type Outcome } from "../base/errors.ts";

export type { Outcome };

/** A key with its value, as it was at one moment. */
export interface KV {
  /** The key. */
  readonly key: string;
  /** The value; empty for the `kv` of a delete event. */
  readonly value: Uint8Array;
  /** The store's revision at which the key was last changed; rises with each change. */
  readonly version: bigint;
}

/** All keys with a prefix, by key, at one revision. */
export type Listing = readonly KV[] & {
  /** The store's revision that the list shows; a watch from the one after it misses nothing. */
  readonly revision: bigint;
};

/** A change of one key. */
export interface WatchEvent {
  /** What happened. */
  readonly type: "put" | "delete";
  /** The key after the change; of a delete, the key with an empty value and the delete's revision. */
  readonly kv: KV;
  /** The key before the change, whenever the store can still give it. */
  readonly prevKV?: KV;
}

/** A condition of a transaction. */
export interface Compare {
  /** The key to compare. */
  readonly key: string;
  /** 0: the key must not exist; up to 2^63 - 1: its version must equal this. */
  readonly expectedVersion: bigint;
}

/** One operation of a transaction. */
export type Op =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "delete"; readonly key: string }
  | { readonly type: "get"; readonly key: string };

/** Options of every call. */
export interface StoreOptions {
  /**
   * Ends the wait; the call then rejects with the signal's reason. A write that
   * was already sent may still be done.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long the call may take, in milliseconds; of a list, each page. The most
   * is 2^31 - 1, some 24 days: a longer one, as `Infinity`, is shortened to that.
   * What is no number is a `TypeError`. @default {5000}
   */
  readonly timeoutMs?: number | undefined;
}

/** Options of {@linkcode StateStore.watch}. */
export interface WatchOptions {
  /** The first revision to deliver, up to 2^63 - 1; 0 (the default) means from now. */
  readonly startRevision?: bigint | undefined;
  /**
   * Whether all keys that start with what is given are watched, as `list` lists
   * them, or the one key alone. @default {whether it ends with `/`, or is empty}
   */
  readonly prefix?: boolean | undefined;
  /** Ends the watch: its iteration rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode StateStore.doTransaction}. */
export interface TransactionOptions extends StoreOptions {
  /** Filled with what the `get` operations of the branch that was taken found, in their order. */
  readonly results?: (KV | undefined)[] | undefined;
}

/**
 * Events in the order of their revisions, without gap or duplicate, across
 * lost connections. Ends when it is closed; rejects when its signal aborts,
 * when the store is closed, with {@linkcode CompactedError}, or with
 * {@linkcode AnotherClusterError}.
 */
export interface Watch
  extends AsyncIterableIterator<WatchEvent, undefined>, AsyncDisposable {
  /** Ends the watch: the iteration is done. */
  close(): void;
}

/** Options of {@linkcode StateStore.campaign}. */
export interface CandidacyOptions {
  /** Ends the campaign. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each key of the candidate, before it is put. */
  readonly onCandidacy?: ((key: string) => void) | undefined;
}

/**
 * The state of the cluster. All methods may be called at any time and at once.
 *
 * What is not of the documented kind is refused before anything is sent: with a
 * `TypeError` what is no string, bytes, bigint or number, or a string with half
 * of a surrogate pair; with a `RangeError` a number out of its range; with
 * {@linkcode StoreRequestError} an empty key.
 */
export interface StateStore extends AsyncDisposable {
  /**
   * Sets a key. Returns the version it now has: of this key, no other write has
   * it; a put of another key that was under way at the same time may.
   *
   * @throws {StoreError} that says whether it may have been done.
   */
  put(key: string, value: Uint8Array, options?: StoreOptions): Promise<bigint>;
  /**
   * Reads a key; `undefined` if there is none. Linearizable: it shows every
   * write that was acknowledged before the call.
   *
   * @throws {StoreError} if no member answers in time.
   */
  get(key: string, options?: StoreOptions): Promise<KV | undefined>;
  /**
   * Deletes a key; deleting a missing key succeeds.
   *
   * @throws {StoreError} that says whether it may have been done.
   */
  delete(key: string, options?: StoreOptions): Promise<void>;
  /**
   * Lists the keys that start with `prefix`, any number of them, as they were
   * at one revision. An empty prefix means all keys.
   *
   * @throws {StoreError} if no member answers in time.
   */
  list(prefix: string, options?: StoreOptions): Promise<Listing>;
  /**
   * Watches a key, or with a trailing `/` (or an empty string) all keys that
   * start with it; {@linkcode WatchOptions.prefix} says otherwise, for a prefix
   * as `/app-`. Resolves once every change from here on will be delivered.
   *
   * @throws {StoreError} if no member answers in time. That the start revision
   * is compacted, the first event's place may say instead.
   */
  watch(keyOrPrefix: string, options?: WatchOptions): Promise<Watch>;
  /**
   * Waits until `leaderId` leads, and resolves with its term. It goes on trying
   * through every kind of trouble until its signal aborts, the store closes, or
   * another cluster answers.
   *
   * The TTL is a whole number of seconds, 1 to 2,000,000 (23 days). The store may
   * grant another than asked for; what it grants is what counts.
   * A store takes part in one campaign at a time.
   *
   * @throws {AnotherClusterError} if another cluster answers; no term was begun there.
   * @throws {StoreError} if it takes part already.
   * @throws {RangeError} if no lease can have that TTL.
   */
  campaign(
    leaderId: string,
    leaseTtlSeconds: number,
    options?: CandidacyOptions,
  ): Promise<Leadership>;
  /** Gives up the term that this store's last campaign won; nothing happens if there is none. */
  resign(options?: StoreOptions): Promise<void>;
  /**
   * Reads the leader's ID; `undefined` if there is none. Linearizable, and
   * possibly outdated when it arrives.
   *
   * @throws {StoreError} if no member answers in time.
   */
  getLeader(options?: StoreOptions): Promise<string | undefined>;
  /**
   * Applies `onSuccess` if all `checks` hold (and returns true), else
   * `onFailure` (and returns false), as one step at one revision.
   *
   * @throws {StoreRequestError} if the store refuses it (over 128 operations,
   * a key written twice, too large): then nothing was applied.
   * @throws {StoreError} that says whether it may have been done.
   */
  doTransaction(
    checks: readonly Compare[],
    onSuccess: readonly Op[],
    onFailure: readonly Op[],
    options?: TransactionOptions,
  ): Promise<boolean>;
  /** Ends the store: a term is resigned, watches and calls end. Idempotent. */
  close(): Promise<void>;
}

/**
 * One term as leader, valid until its signal aborts.
 *
 * Holding this object is not proof of leadership: a paused process can outlive
 * its term without knowing. What may not happen twice is therefore written
 * through {@linkcode Leadership.doTransaction}, or with {@linkcode Leadership.guard}
 * among the checks of a transaction; the store then refuses it once the term is over.
 *
 * The term ends, on the agent's own clock, before the store can have given the
 * lead to another. If the machine was suspended for two seconds or more, the
 * next reading of the signal ends the term, however long the lease; steps of the
 * wall clock change nothing.
 */
export interface Leadership extends AsyncDisposable {
  /** The ID of the leader in this term. */
  readonly leaderId: string;
  /** Names the term; every later term has a higher one. */
  readonly fence: bigint;
  /** Holds as long as the term does: put it among the checks of a transaction. */
  readonly guard: Compare;
  /**
   * Aborts when the term ends, with a {@linkcode LeadershipLostError} or, after
   * a resignation, with a {@linkcode ResignedError}. Reading this property reads
   * the clock, so that it is right also when timers are late: read it again
   * before each step, because a signal that is held in a variable, or derived
   * from this one, aborts one turn of the event loop later after a standstill.
   */
  readonly signal: AbortSignal;
  /**
   * Applies `onSuccess` if the term still holds and all `checks` do: returns
   * true. Returns false if a check failed. Of the 128 checks that a transaction
   * may have, one is the term's own.
   *
   * @throws {LeadershipLostError} if the term was lost: nothing was applied.
   * @throws {ResignedError} if it was given up, also meanwhile: nothing was applied.
   * @throws {StoreError} as {@linkcode StateStore.doTransaction} does.
   */
  doTransaction(
    checks: readonly Compare[],
    onSuccess: readonly Op[],
    options?: TransactionOptions,
  ): Promise<boolean>;
  /**
   * Ends the term and tells the store, so that the next leader need not wait
   * for the lease to expire. End what the leader does first. Idempotent; if the
   * store cannot be reached in time, the lease expires instead.
   */
  resign(options?: StoreOptions): Promise<void>;
}

/** A call to the store failed. */
export class StoreError extends KatError {
  /** Whether it may have taken effect. */
  readonly outcome: Outcome = "not-done";
}

/** The store cannot be reached or cannot serve now; nothing was done, trying again may help. */
export class StoreUnavailableError extends StoreError {
}

/** A write was sent and its answer is missing: it may have been done, or be done yet. */
export class OutcomeUnknownError extends StoreError {
  /** It may have taken effect. */
  override readonly outcome = "unknown";
}

/** The store understood the request and will not accept it; nothing was done. */
export class StoreRequestError extends StoreError {
}

/** The revision asked for is no longer kept: list, then watch from there. */
export class CompactedError extends StoreError {
  /** Up to where the history was compacted; this revision itself may still be kept. 0 if the store does not say. */
  readonly compactRevision: bigint;

  /** What was asked for lies before `compactRevision`. */
  constructor(message: string, compactRevision: bigint, cause?: unknown) {
    super(message, { cause });
    this.compactRevision = compactRevision;
  }
}

/** What {@linkcode AnotherClusterError} is made from. */
export interface AnotherClusterErrorInit {
  /** The cluster that the store is bound to, in hexadecimal digits. */
  readonly expected: string;
  /** The cluster that answered, in hexadecimal digits. */
  readonly found: string;
  /** Whether the call may have taken effect. */
  readonly outcome: Outcome;
  /** The error underneath. */
  readonly cause?: unknown;
}

/**
 * Another cluster answers where the store's own one did. A store is bound to
 * one cluster for its life, so nothing of that answer was taken. If that is
 * the cluster to use from now on, open another store.
 */
export class AnotherClusterError extends StoreError {
  /** The cluster that the store is bound to, in hexadecimal digits. */
  readonly expected: string;
  /** The cluster that answered, in hexadecimal digits. */
  readonly found: string;
  /** Whether it may have taken effect. */
  override readonly outcome: Outcome;

  /** An error that names both clusters. */
  constructor(
    message: string,
    { expected, found, outcome, cause }: AnotherClusterErrorInit,
  ) {
    super(message, {
      cause,
      hint:
        "Look what listens at that address; to use the other cluster, start again",
    });
    this.expected = expected;
    this.found = found;
    this.outcome = outcome;
  }
}

/** The store was closed. */
export class StoreClosedError extends StoreError {
  /** The same message each time. */
  constructor() {
    super("The store is closed");
  }
}

/** The term was taken away; the reason that {@linkcode Leadership.signal} aborts with. */
export class LeadershipLostError extends KatError {
}

/** The term was given up; the reason that {@linkcode Leadership.signal} aborts with. */
export class ResignedError extends KatError {
  /** The same message each time. */
  constructor() {
    super("Resigned leadership");
  }
}
