/**
 * The store in memory: for tests, dry runs and programs that build on StateStore.
 *
 * It compares revisions, keeps a history, expires leases by its clock and can
 * be cut off, so that what works on it works on etcd. It keeps nothing when
 * the process ends, and its history grows until it is compacted.
 *
 * @module
 */

import { type Clock, systemClock } from "../../base/clock.ts";
import { Candidate } from "../leadership/candidate.ts";
import {
  checkCampaign,
  checkedOptions,
  checkKey,
  checkPrefix,
  checkRevision,
  checkTransaction,
} from "../check_arguments.ts";
import { ELECTION_PREFIX } from "../keys.ts";
import { MemoryDatabase, toKV } from "./memory_database.ts";
import { MemoryElectionPort } from "./memory_election_port.ts";
import { MemoryWatch } from "./memory_watch.ts";
import {
  type CandidacyOptions,
  type Compare,
  type KV,
  type Leadership,
  type Listing,
  type Op,
  type StateStore,
  StoreClosedError,
  type StoreOptions,
  StoreUnavailableError,
  type TransactionOptions,
  type Watch,
  type WatchOptions,
} from "../state_store.ts";

/** What a {@linkcode MemoryStore} is made from. */
export interface MemoryStoreInit {
  /** Shared by the stores that see the same state. @default {a new one} */
  readonly database?: MemoryDatabase;
  /** The clock that leases end by. @default {systemClock} */
  readonly clock?: Clock;
}

/** {@linkcode StateStore} in memory. */
export class MemoryStore implements StateStore {
  readonly #database: MemoryDatabase;
  readonly #candidate: Candidate;
  readonly #closed = new AbortController();
  #cut = new AbortController();
  #connected = Promise.withResolvers<void>();
  #closing: Promise<void> | undefined;

  /** A store on a database of its own, or on one that is shared. */
  constructor({ clock = systemClock, database }: MemoryStoreInit = {}) {
    this.#database = database ?? new MemoryDatabase(clock);
    this.#connected.resolve();
    const port = new MemoryElectionPort(
      this.#database,
      () => this.#throwIfUnreachable(),
    );
    this.#candidate = new Candidate(this, port, clock);
  }

  /** Cuts this store off: calls fail, watches deliver nothing, its lease is not renewed. */
  disconnect(): void {
    if (this.#cut.signal.aborted) return;
    this.#connected = Promise.withResolvers();
    this.#cut.abort(new StoreUnavailableError("The store is cut off"));
  }

  /** Connects it again: watches continue with the next event. */
  reconnect(): void {
    if (!this.#cut.signal.aborted) return;
    this.#cut = new AbortController();
    this.#connected.resolve();
  }

  async put(
    key: string,
    value: Uint8Array,
    options?: StoreOptions,
  ): Promise<bigint> {
    const results: (KV | undefined)[] = [];
    const ops: Op[] = [{ type: "put", key, value }, { type: "get", key }];
    await this.doTransaction([], ops, [], { ...options, results });
    return results[0]?.version ?? 0n;
  }

  async get(key: string, options?: StoreOptions): Promise<KV | undefined> {
    checkKey(key, "get");
    await this.#request(options);
    const entry = this.#database.entry(key);
    return entry && toKV(entry);
  }

  async delete(key: string, options?: StoreOptions): Promise<void> {
    await this.doTransaction([], [{ type: "delete", key }], [], options);
  }

  async list(prefix: string, options?: StoreOptions): Promise<Listing> {
    checkPrefix(prefix);
    await this.#request(options);
    const { revision } = this.#database;
    return Object.assign(this.#database.entries(prefix).map(toKV), {
      revision,
    });
  }

  async watch(
    keyOrPrefix: string,
    { startRevision = 0n, prefix, signal }: WatchOptions = {},
  ): Promise<Watch> {
    checkPrefix(keyOrPrefix);
    checkRevision(startRevision, "startRevision");
    await this.#request({ signal });
    return new MemoryWatch({
      database: this.#database,
      keyOrPrefix,
      prefix,
      startRevision: startRevision > 0n
        ? startRevision
        : this.#database.revision + 1n,
      connected: () => this.#connected.promise,
      signal: AbortSignal.any([
        this.#closed.signal,
        ...(signal ? [signal] : []),
      ]),
    });
  }

  async campaign(
    leaderId: string,
    leaseTtlSeconds: number,
    options: CandidacyOptions = {},
  ): Promise<Leadership> {
    checkCampaign(leaderId, leaseTtlSeconds);
    return await this.#candidate.campaign(leaderId, {
      leaseTtlSeconds,
      ...options,
    });
  }

  async resign(options?: StoreOptions): Promise<void> {
    await this.#candidate.resign(checkedOptions(options));
  }

  async getLeader(options?: StoreOptions): Promise<string | undefined> {
    await this.#request(options);
    const [first] = this.#database.entries(ELECTION_PREFIX)
      .sort((a, b) => Number(a.created - b.created));
    return first && new TextDecoder().decode(first.value);
  }

  async doTransaction(
    checks: readonly Compare[],
    onSuccess: readonly Op[],
    onFailure: readonly Op[],
    { results, ...options }: TransactionOptions = {},
  ): Promise<boolean> {
    checkTransaction(checks, onSuccess, onFailure);
    // As a request to a server: what the caller changes later is not sent.
    const [success, failure] = structuredClone([onSuccess, onFailure]);
    await this.#request(options);
    const { committed, found } = this.#database.transact(
      checks,
      success ?? [],
      failure ?? [],
    );
    results?.push(...found);
    return committed;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Ends the store as {@linkcode StateStore.close} does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#candidate.close();
    this.#closed.abort(new StoreClosedError());
  }

  /** Stands for a request: takes a turn of the event loop, and may be refused. */
  async #request(options: StoreOptions = {}): Promise<void> {
    const { signal } = checkedOptions(options) ?? {};
    signal?.throwIfAborted();
    await Promise.resolve();
    signal?.throwIfAborted();
    this.#throwIfUnreachable();
  }

  #throwIfUnreachable(): void {
    if (this.#closed.signal.aborted) throw new StoreClosedError();
    this.#cut.signal.throwIfAborted();
  }
}
