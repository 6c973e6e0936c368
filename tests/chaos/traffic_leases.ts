/**
 * Leases beside those of the election: granted, filled, revoked or left to
 * expire, so that etcd has more leases than those of the election.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { ILeaseGrantResponse } from "etcd3/lib/rpc.js";
import { EtcdCallError } from "../../src/etcd/client/etcd_call_error.ts";
import { EtcdClient } from "../../src/etcd/client/etcd_client.ts";
import type { Random } from "../simulation/random.ts";
import { sleep } from "../machine/sleep.ts";

/** Keys under leases that expire at a time that etcd chooses; the checkers ignore their writers. */
export const LEASED_PREFIX = "/chaos-leased/";
const TIMEOUT_MS = 2_000;
const TTL_SECONDS = 3;

/** What the churn is made of. */
export interface LeaseChurnSetting {
  /** The members' client URLs. */
  readonly endpoints: readonly string[];
  /** Where its choices come from. */
  readonly random: Random;
  /** Ends it; all of its leases have then a TTL left to live. */
  readonly signal: AbortSignal;
}

/** Makes and drops leases until told to stop. */
export async function runLeaseChurn(
  { endpoints, random, signal }: LeaseChurnSetting,
): Promise<void> {
  using client = new EtcdClient(endpoints);
  const options = { timeoutMs: TIMEOUT_MS };
  for (let number = 0; !signal.aborted; number++) {
    try {
      const { ID } = await client.repeatable<ILeaseGrantResponse>(
        "Lease",
        "leaseGrant",
        { TTL: TTL_SECONDS },
        options,
      );
      await client.once("KV", "put", {
        key: Buffer.from(`${LEASED_PREFIX}${number}`),
        value: Buffer.from(String(number)),
        lease: ID,
      }, options);
      if (random.chance(0.5)) {
        await client.repeatable("Lease", "leaseRevoke", { ID }, options);
      }
    } catch (error) {
      if (!(error instanceof EtcdCallError)) throw error;
    }
    await sleep(1_000, signal);
  }
}
