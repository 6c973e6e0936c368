/**
 * The one cluster whose answers are taken.
 *
 * @module
 */

import { AnotherEtcdError, EtcdCallError } from "./etcd_call_error.ts";

/** The part of an answer's header that is looked at. */
export interface AnswerHeader {
  /** The cluster, in decimal digits. */
  readonly cluster_id: string;
}

/** What is known of an answer besides its header. */
export interface AnswerSource {
  /** The client URL that was asked. */
  readonly endpoint: string;
  /** Whether the request may have been done by then. */
  readonly outcome: EtcdCallError["outcome"];
  /** Whether the first answer from there may say which cluster it is. @default {true} */
  readonly mayBind?: boolean | undefined;
}

/**
 * ```
 *   unbound ──the first answer, or a known ID──▶ bound to one cluster, for ever
 * ```
 *
 * All connections of a client share it, and so may several clients.
 */
export class ClusterBinding {
  /** In decimal digits. */
  #clusterId: string | undefined;

  /** Bound to the cluster with this ID in hexadecimal digits, or else to that of the first answer. */
  constructor(clusterId?: string) {
    if (clusterId !== undefined) {
      this.#clusterId = BigInt(`0x${clusterId}`).toString();
    }
  }

  /**
   * Takes an answer of the cluster.
   *
   * @throws {AnotherEtcdError} if it is another cluster's.
   * @throws {EtcdCallError} if it may not say which cluster this is, and none has.
   */
  check(
    { cluster_id: found }: AnswerHeader,
    { endpoint, outcome, mayBind = true }: AnswerSource,
  ): void {
    const expected = this.#clusterId;
    if (found === expected) return;
    if (expected !== undefined) {
      throw new AnotherEtcdError({
        expected: hex(expected),
        found: hex(found),
        endpoint,
        outcome,
      });
    }
    if (!mayBind) {
      throw new EtcdCallError(
        `Cannot ask etcd at ${endpoint}: this node's own member has not said yet of which cluster it is`,
        { failure: "unavailable", outcome, endpoint },
      );
    }
    this.#clusterId = found;
  }
}

function hex(id: string): string {
  return BigInt(id).toString(16);
}
