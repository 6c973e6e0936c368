/**
 * The revision that a cluster's store has reached, read in a way that needs a
 * majority.
 *
 * @module
 */

import { EtcdClient } from "./etcd_client.ts";
import {
  ANSWER_MS,
  hex,
  type MaintenanceOptions,
  type ResponseHeader,
} from "./etcd_maintenance.ts";

/** The revision that a store has reached, and the member that told it. */
export interface StorePosition {
  /** The cluster's ID in hexadecimal digits. */
  readonly clusterId: string;
  /** The member's ID in hexadecimal digits. */
  readonly memberId: string;
  /** A revision that a majority of the members has. */
  readonly revision: bigint;
}

/** A read that finds nothing, as no key is so short; a member needs a majority to answer it. */
export const EMPTY_READ = { key: new Uint8Array(1), count_only: true };

/**
 * Asks the member at `endpoint` for its revision. The member answers once it has
 * caught up with the others, so every confirmed write is in that revision.
 *
 * @throws {EtcdCallError} if it does not answer, or reaches no majority.
 */
export async function readPosition(
  endpoint: string,
  options: MaintenanceOptions = {},
): Promise<StorePosition> {
  using client = new EtcdClient([endpoint], options);
  const { header } = await client.repeatable<
    { readonly header: ResponseHeader }
  >(
    "KV",
    "range",
    EMPTY_READ,
    { timeoutMs: ANSWER_MS, ...options },
  );
  return {
    clusterId: hex(header.cluster_id),
    memberId: hex(header.member_id),
    revision: BigInt(header.revision),
  };
}
