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
  ITxnRequest,
  ITxnResponse,
} from "etcd3/lib/rpc.js";
import type { EtcdClient } from "../../etcd/client/etcd_client.ts";
import { idempotent } from "./etcd_errors.ts";
import { EtcdKeepAlive } from "./etcd_keep_alive.ts";
import { keyBytes, prefixRange } from "./etcd_range.ts";
import { ELECTION_PREFIX } from "../keys.ts";
import type {
  ElectionPort,
  GrantedLease,
  KeepAlive,
  Predecessor,
} from "../leadership/election_port.ts";
import { type StoreOptions, StoreUnavailableError } from "../state_store.ts";

/** The election on an etcd cluster. */
export class EtcdElectionPort implements ElectionPort {
  readonly #client: EtcdClient;

  /** An election on `client`. */
  constructor(client: EtcdClient) {
    this.#client = client;
  }

  async grantLease(
    ttlSeconds: number,
    options: StoreOptions,
  ): Promise<GrantedLease> {
    const { ID, TTL } = await idempotent(
      "get a lease",
      () =>
        this.#client.repeatable<ILeaseGrantResponse>("Lease", "leaseGrant", {
          TTL: ttlSeconds,
        }, options),
    );
    return { id: BigInt(ID), ttlMs: Number(TTL) * 1_000 };
  }

  async revokeLease(id: bigint, options: StoreOptions): Promise<void> {
    await idempotent(
      "give a lease back",
      () =>
        this.#client.repeatable("Lease", "leaseRevoke", {
          ID: id.toString(),
        }, options),
    );
  }

  async openKeepAlive(id: bigint, options: StoreOptions): Promise<KeepAlive> {
    return await EtcdKeepAlive.open(this.#client, id, options);
  }

  preferNextMember(): void {
    this.#client.preferNextMember();
  }

  async putKey(
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

  async predecessor(
    key: string,
    createRevision: bigint,
    options: StoreOptions,
  ): Promise<Predecessor> {
    const unchanged: ICompare = {
      key: keyBytes(key),
      target: "Mod",
      result: "Equal",
      mod_revision: createRevision.toString(),
    };
    const { header, succeeded, responses } = await this.#transaction({
      compare: [unchanged],
      success: [{
        request_range: {
          ...prefixRange(ELECTION_PREFIX),
          max_create_revision: (createRevision - 1n).toString(),
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
    return idempotent(
      "take part in the election",
      () =>
        this.#client.repeatable<ITxnResponse>("KV", "txn", request, options),
    );
  }
}
