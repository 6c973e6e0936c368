/**
 * The store on an etcd cluster.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type {
  ICompare,
  IRangeRequest,
  IRangeResponse,
  IRequestOp,
  ITxnResponse,
} from "etcd3/lib/rpc.js";
import { type Clock, systemClock } from "../../base/clock.ts";
import {
  EtcdClient,
  type EtcdClientOptions,
} from "../../etcd/client/etcd_client.ts";
import { Candidate } from "../leadership/candidate.ts";
import { EtcdElectionPort } from "./etcd_election_port.ts";
import { idempotent, nonIdempotent } from "./etcd_errors.ts";
import { listRange } from "./etcd_list.ts";
import { keyBytes, prefixRange, toKV } from "./etcd_range.ts";
import { EtcdReads } from "./etcd_reads.ts";
import { EtcdWatch } from "./etcd_watch.ts";
import { EtcdWrites } from "./etcd_writes.ts";
import { ValueSizes } from "../batching/value_sizes.ts";
import {
  checkCampaign,
  checkedOptions,
  checkKey,
  checkPrefix,
  checkRevision,
  checkTransaction,
  checkValue,
} from "../check_arguments.ts";
import { ELECTION_PREFIX, leaseOfElectionKey } from "../keys.ts";
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
  type TransactionOptions,
  type Watch,
  type WatchOptions,
} from "../state_store.ts";

/** What an {@linkcode EtcdStore} is made from. */
export interface EtcdStoreInit {
  /** Client URLs of the members, the nearest first. */
  readonly endpoints: readonly string[];
  /** The clock that leases end by and calls wait by. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** The one cluster whose answers are taken. @default {that of the first answer} */
  readonly cluster?: EtcdClientOptions["cluster"];
  /** Set if the first endpoint is the member of this very node. */
  readonly own?: EtcdClientOptions["own"];
  /** Makes the connection to a member; tests replace it. @default {gRPC} */
  readonly connect?: EtcdClientOptions["connect"];
}

/** {@linkcode StateStore} on etcd 3.4 to 3.7. */
export class EtcdStore implements StateStore {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #port: EtcdElectionPort;
  readonly #reads: EtcdReads;
  readonly #writes: EtcdWrites;
  readonly #candidate: Candidate;
  readonly #closed = new AbortController();
  #closing: Promise<void> | undefined;

  /** A store on the members at `endpoints`; nothing is sent yet. */
  constructor(
    { endpoints, clock = systemClock, cluster, own, connect }: EtcdStoreInit,
  ) {
    this.#client = new EtcdClient(endpoints, { clock, cluster, own, connect });
    this.#clock = clock;
    this.#port = new EtcdElectionPort(this.#client);
    this.#candidate = new Candidate(this, this.#port, clock);
    const seen = { revision: "0", full: false, sizes: new ValueSizes() };
    this.#reads = new EtcdReads(this.#client, clock, seen);
    this.#writes = new EtcdWrites(this.#client, clock, seen);
  }

  /** The connection underneath, for what concerns members and not state. */
  get client(): EtcdClient {
    return this.#client;
  }

  async put(
    key: string,
    value: Uint8Array,
    options?: StoreOptions,
  ): Promise<bigint> {
    checkKey(key, "put");
    checkValue(value);
    return await this.#writes.put(key, value, checkedOptions(options));
  }

  async get(key: string, options?: StoreOptions): Promise<KV | undefined> {
    this.#throwIfClosed();
    checkKey(key, "get");
    if (!key.startsWith(ELECTION_PREFIX)) {
      return await this.#reads.get(key, checkedOptions(options));
    }
    // A read of the election must wait for no other.
    const request = { key: keyBytes(key) };
    const { kvs: [kv] } = await this.#range(`get "${key}"`, request, options);
    return kv && toKV(kv);
  }

  async delete(key: string, options?: StoreOptions): Promise<void> {
    checkKey(key, "delete");
    await this.#writes.delete(key, checkedOptions(options));
  }

  async list(prefix: string, options?: StoreOptions): Promise<Listing> {
    checkPrefix(prefix);
    return await listRange(
      prefixRange(prefix),
      (request) => this.#range(`list "${prefix}"`, request, options),
    );
  }

  async watch(
    keyOrPrefix: string,
    { startRevision = 0n, prefix, signal }: WatchOptions = {},
  ): Promise<Watch> {
    this.#throwIfClosed();
    checkPrefix(keyOrPrefix);
    checkRevision(startRevision, "startRevision");
    signal?.throwIfAborted();
    const what = `watch "${keyOrPrefix}"`;
    // "Now" is the cluster's revision: the member that serves the watch may lag behind.
    const start = startRevision > 0n
      ? startRevision
      : await this.#revision(what, { signal }) + 1n;
    return await EtcdWatch.open({
      client: this.#client,
      clock: this.#clock,
      keyOrPrefix,
      prefix,
      startRevision: start,
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

  /**
   * Ends the candidacy or the term of a process that has ended: gives its lease
   * back. Returns false if its key is gone, or has another's value. The caller
   * must know that no process acts by that key any more.
   *
   * @throws {StoreError} if no member answers in time.
   */
  async endCandidacy(
    key: string,
    { leaderId, ...options }: StoreOptions & { readonly leaderId: string },
  ): Promise<boolean> {
    const leaseId = leaseOfElectionKey(key);
    const kv = leaseId === undefined ? undefined : await this.get(key, options);
    if (leaseId === undefined || kv === undefined) return false;
    if (new TextDecoder().decode(kv.value) !== leaderId) return false;
    await this.#port.revokeLease(leaseId, options);
    return true;
  }

  async resign(options?: StoreOptions): Promise<void> {
    await this.#candidate.resign(checkedOptions(options));
  }

  async getLeader(options?: StoreOptions): Promise<string | undefined> {
    const { kvs } = await this.#range("read the leader", {
      ...prefixRange(ELECTION_PREFIX),
      sort_order: "Ascend",
      sort_target: "Create",
      limit: 1,
    }, options);
    return kvs[0]?.value.toString();
  }

  async doTransaction(
    checks: readonly Compare[],
    onSuccess: readonly Op[],
    onFailure: readonly Op[],
    { results, ...options }: TransactionOptions = {},
  ): Promise<boolean> {
    this.#throwIfClosed();
    checkTransaction(checks, onSuccess, onFailure);
    const request = {
      compare: checks.map(toCompare),
      success: onSuccess.map(toRequest),
      failure: onFailure.map(toRequest),
    };
    const gets = Math.max(...[onSuccess, onFailure].map(countGets));
    const { succeeded, responses } = await nonIdempotent(
      "do a transaction",
      () =>
        this.#client.once<ITxnResponse>("KV", "txn", request, {
          ...checkedOptions(options),
          isLarge: gets > MANY_GETS,
        }),
    );
    const branch = succeeded ? onSuccess : onFailure;
    branch.forEach(({ type }, index) => {
      if (type !== "get") return;
      const kv = responses[index]?.response_range.kvs[0];
      results?.push(kv && toKV(kv));
    });
    return succeeded;
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
    this.#reads.close();
    this.#writes.close();
    this.#client[Symbol.dispose]();
  }

  async #range(
    what: string,
    request: IRangeRequest,
    options: StoreOptions | undefined,
  ): Promise<IRangeResponse> {
    this.#throwIfClosed();
    try {
      return await idempotent(
        what,
        () =>
          this.#client.repeatable(
            "KV",
            "range",
            request,
            checkedOptions(options),
          ),
      );
    } catch (error) {
      this.#throwIfClosed();
      throw error;
    }
  }

  /** The cluster's revision now. */
  async #revision(what: string, options: StoreOptions): Promise<bigint> {
    const { header } = await this.#range(what, {
      key: keyBytes(ELECTION_PREFIX),
      limit: 1,
      keys_only: true,
    }, options);
    return BigInt(header.revision);
  }

  /** Not while it is closing, because the resignation still needs the store. */
  #throwIfClosed(): void {
    if (this.#closed.signal.aborted) throw new StoreClosedError();
  }
}

/** So many values of 1.5 MiB fit into an answer of the usual size. */
const MANY_GETS = 8;

function countGets(ops: readonly Op[]): number {
  return ops.filter(({ type }) => type === "get").length;
}

function toCompare({ key, expectedVersion }: Compare): ICompare {
  // A missing key has modification revision 0 in a comparison.
  return {
    key: keyBytes(key),
    target: "Mod",
    result: "Equal",
    mod_revision: expectedVersion.toString(),
  };
}

function toRequest(op: Op): IRequestOp {
  const key = keyBytes(op.key);
  switch (op.type) {
    case "put":
      return { request_put: { key, value: Buffer.from(op.value) } };
    case "delete":
      return { request_delete_range: { key } };
    case "get":
      return { request_range: { key } };
  }
}
