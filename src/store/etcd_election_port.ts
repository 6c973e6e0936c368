/**
 * Leases and the queue of candidates, on etcd.
 *
 * Every call here may be sent twice: a grant that is not used expires, and the
 * others say the same thing again.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type {
  ICompare,
  ILeaseGrantResponse,
  ILeaseKeepAliveRequest,
  ILeaseKeepAliveResponse,
  ITxnRequest,
  ITxnResponse,
} from "etcd3/lib/rpc.js";
import type { EtcdClient } from "../etcd/etcd_client.ts";
import type { Ahead, ElectionPort } from "./candidate.ts";
import { askingAgain } from "./etcd_errors.ts";
import { keyBytes, prefixRange } from "./etcd_range.ts";
import { ELECTION_PREFIX } from "./keys.ts";
import type { GrantedLease, KeepAlive } from "./lease.ts";
import { type StoreOptions, StoreUnavailableError } from "./state_store.ts";

/** The election on an etcd cluster. */
export class EtcdElectionPort implements ElectionPort {
  readonly #client: EtcdClient;
  /** The highest raft term seen; an answer from an older one comes from a member left behind. */
  #raftTerm = 0n;

  /** An election on `client`. */
  constructor(client: EtcdClient) {
    this.#client = client;
  }

  async grantLease(
    ttlSeconds: number,
    options: StoreOptions,
  ): Promise<GrantedLease> {
    const { ID, TTL, header } = await askingAgain(
      "get a lease",
      () =>
        this.#client.repeatable<ILeaseGrantResponse>("Lease", "leaseGrant", {
          TTL: ttlSeconds,
        }, options),
    );
    // A grant goes through raft, so this is the term now, also where etcd was
    // restored and counts anew.
    this.#raftTerm = BigInt(header.raft_term);
    return { id: BigInt(ID), ttlMs: Number(TTL) * 1_000 };
  }

  async revokeLease(id: bigint, options: StoreOptions): Promise<void> {
    await askingAgain(
      "give a lease back",
      () =>
        this.#client.repeatable("Lease", "leaseRevoke", {
          ID: id.toString(),
        }, options),
    );
  }

  async openKeepAlive(id: bigint, options: StoreOptions): Promise<KeepAlive> {
    const stream = await askingAgain(
      "renew a lease",
      () =>
        this.#client.stream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>(
          "Lease",
          "leaseKeepAlive",
          options,
        ),
    );
    return {
      beat: () => stream.write({ ID: id.toString() }),
      next: () =>
        askingAgain("renew a lease", async () => {
          const reply = await stream.next();
          if (reply === undefined) {
            throw new StoreUnavailableError("The renewal stream ended");
          }
          this.#refuseOlderTerm(BigInt(reply.header.raft_term));
          return Number(reply.TTL) * 1_000;
        }),
      [Symbol.dispose]: () => stream[Symbol.dispose](),
    };
  }

  moveOn(): void {
    this.#client.moveOn();
  }

  async enter(
    key: string,
    leaderId: string,
    { leaseId, ...options }: StoreOptions & { readonly leaseId: bigint },
  ): Promise<bigint> {
    const bytes = keyBytes(key);
    const { header, succeeded, responses } = await this.#transaction({
      compare: [{
        key: bytes,
        target: "Create",
        result: "Equal",
        create_revision: 0,
      }],
      success: [{
        request_put: {
          key: bytes,
          value: Buffer.from(leaderId),
          lease: leaseId.toString(),
        },
      }],
      failure: [{ request_range: { key: bytes } }],
    }, options);
    if (succeeded) return BigInt(header.revision);
    // An earlier try was done after all: its revision counts, not this one's.
    const created = responses[0]?.response_range.kvs[0]?.create_revision;
    if (created === undefined) {
      throw new StoreUnavailableError("The election key vanished meanwhile");
    }
    return BigInt(created);
  }

  async ahead(
    key: string,
    rank: bigint,
    options: StoreOptions,
  ): Promise<Ahead> {
    const unchanged: ICompare = {
      key: keyBytes(key),
      target: "Mod",
      result: "Equal",
      mod_revision: rank.toString(),
    };
    const { header, succeeded, responses } = await this.#transaction({
      compare: [unchanged],
      success: [{
        request_range: {
          ...prefixRange(ELECTION_PREFIX),
          max_create_revision: (rank - 1n).toString(),
          sort_order: "Descend",
          sort_target: "Create",
          limit: 1,
          keys_only: true,
        },
      }],
    }, options);
    if (!succeeded) return { place: "gone" };
    const before = responses[0]?.response_range.kvs[0];
    return before === undefined ? { place: "first" } : {
      place: "behind",
      key: before.key.toString(),
      revision: BigInt(header.revision),
      hasLease: BigInt(before.lease) !== 0n,
    };
  }

  #transaction(
    request: ITxnRequest,
    options: StoreOptions,
  ): Promise<ITxnResponse> {
    return askingAgain(
      "take part in the election",
      () =>
        this.#client.repeatable<ITxnResponse>("KV", "txn", request, options),
    );
  }

  /** A member that was cut off may still answer for leases that its successor has ended. */
  #refuseOlderTerm(raftTerm: bigint): void {
    if (raftTerm < this.#raftTerm) {
      throw new StoreUnavailableError("The member's answer is outdated");
    }
    this.#raftTerm = raftTerm;
  }
}
