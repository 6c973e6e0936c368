/**
 * How far a member's store is, asked in a way that needs a majority.
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

/** Where a member's store has got to. */
export interface StorePosition {
  /** The cluster it belongs to, as hexadecimal digits. */
  readonly clusterId: string;
  /** Which member it is, as hexadecimal digits. */
  readonly memberId: string;
  /** A revision that a majority of the members has. */
  readonly revision: bigint;
}

/** A read that finds nothing, as no key is so short; a member needs a majority to say so. */
export const EMPTY_READ = { key: new Uint8Array(1), count_only: true };

/**
 * Asks the member at `endpoint` how far the store is: not before it has caught
 * up with the others, so that what was once confirmed is in it.
 *
 * @throws {EtcdCallError} if it does not answer, or knows no majority.
 */
export async function readPosition(
  endpoint: string,
  options: MaintenanceOptions = {},
): Promise<StorePosition> {
  using client = new EtcdClient([endpoint]);
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
