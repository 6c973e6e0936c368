/**
 * Keeping etcd's database small and its members in view: the calls of its
 * Maintenance service, and compaction.
 *
 * What may be done when, and in which order, is left to the caller.
 *
 * @module
 */

import { EtcdClient } from "./etcd_client.ts";

/** One member, as the cluster lists it. */
export interface ListedMember {
  /** As hexadecimal digits, the way etcd's own tools show it. */
  readonly memberId: string;
  /** Its name; empty if it has never started. */
  readonly name: string;
  /** Its client URLs; empty if it has never started. */
  readonly clientUrls: readonly string[];
  /** Its peer URLs. */
  readonly peerUrls: readonly string[];
}

/** What etcd raises an alarm for: a database at its quota, or data that differ between members. */
export type AlarmKind = "nospace" | "corrupt";

/** An alarm that stands until it is disarmed. */
export interface EtcdAlarm {
  /** The member that raised it, as hexadecimal digits. */
  readonly memberId: string;
  /** What for. */
  readonly kind: AlarmKind;
}

/** Options of each call. */
export interface MaintenanceOptions {
  /** Ends the wait; what was sent may go on at the member. */
  readonly signal?: AbortSignal | undefined;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** What stands before each answer: which member of which cluster gave it, and how far its store was. */
export interface ResponseHeader {
  /** The cluster, in decimal digits. */
  readonly cluster_id: string;
  /** The member, in decimal digits. */
  readonly member_id: string;
  /** The revision of the member's store. */
  readonly revision: string;
}

interface MemberListResponse {
  readonly members: readonly {
    readonly ID: string;
    readonly name: string;
    readonly peerURLs: readonly string[];
    readonly clientURLs: readonly string[];
  }[];
}

interface AlarmResponse {
  readonly alarms?: readonly {
    readonly memberID: string;
    readonly alarm: string;
  }[];
}

/** How long a question may take, unless its caller says otherwise. */
export const ANSWER_MS = 3_000;
/**
 * How long compacting or defragmenting may take. A database of 8 GiB, the most
 * that etcd advises, is copied in 7 minutes at the 20 MB/s of an SD card.
 */
const WORK_MS = 600_000;

/** Maintenance of the cluster at some endpoints. */
export class EtcdMaintenance implements Disposable {
  readonly #client: EtcdClient;

  /** Of the cluster at `endpoints` (client URLs); nothing is sent yet. */
  constructor(endpoints: readonly string[]) {
    this.#client = new EtcdClient(endpoints);
  }

  /**
   * Lists the members. Needs a majority of them.
   *
   * @throws {EtcdCallError} if nobody can tell.
   */
  async members(options: MaintenanceOptions = {}): Promise<ListedMember[]> {
    const { members } = await this.#client.repeatable<MemberListResponse>(
      "Cluster",
      "memberList",
      {},
      { timeoutMs: ANSWER_MS, ...options },
    );
    return members.map(({ ID, name, clientURLs, peerURLs }) => ({
      memberId: hex(ID),
      name,
      clientUrls: clientURLs,
      peerUrls: peerURLs,
    }));
  }

  /**
   * Returns the alarms that stand. Any member knows those of all.
   *
   * @throws {EtcdCallError} if nobody answers.
   */
  async alarms(options: MaintenanceOptions = {}): Promise<EtcdAlarm[]> {
    const { alarms = [] } = await this.#client.repeatable<AlarmResponse>(
      "Maintenance",
      "alarm",
      { action: "Get" },
      { timeoutMs: ANSWER_MS, ...options },
    );
    return alarms.map(({ memberID, alarm }) => ({
      memberId: hex(memberID),
      kind: alarm === "Corrupt" ? "corrupt" : "nospace",
    }));
  }

  /**
   * Takes an alarm back. A member that is still full raises it again at the
   * next write.
   *
   * @throws {EtcdCallError} if that was not confirmed.
   */
  async disarm(
    { memberId, kind }: EtcdAlarm,
    options: MaintenanceOptions = {},
  ): Promise<void> {
    // What is no longer there is taken back without an error.
    await this.#client.repeatable("Maintenance", "alarm", {
      action: "Deactivate",
      memberID: BigInt(`0x${memberId}`).toString(),
      alarm: kind === "corrupt" ? "Corrupt" : "Nospace",
    }, { timeoutMs: ANSWER_MS, ...options });
  }

  /**
   * Forgets what keys were before `revision`; what they are stays. Resolves
   * once the space is free inside the database of the member that was asked.
   *
   * @throws {EtcdCallError} with the failure `compacted` if it was forgotten
   * before.
   */
  async compact(
    revision: bigint,
    options: MaintenanceOptions = {},
  ): Promise<void> {
    await this.#client.once(
      "KV",
      "compact",
      { revision: revision.toString(), physical: true },
      { timeoutMs: WORK_MS, ...options },
    );
  }

  /** Ends the connections. */
  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

/**
 * Writes the database of the member at `endpoint` anew without its gaps. The
 * member answers nobody meanwhile.
 *
 * @throws {EtcdCallError} if that was not confirmed.
 */
export async function defragmentMember(
  endpoint: string,
  options: MaintenanceOptions = {},
): Promise<void> {
  using client = new EtcdClient([endpoint]);
  await client.once(
    "Maintenance",
    "defragment",
    {},
    { timeoutMs: WORK_MS, ...options },
  );
}

/** Turns an ID from the protocol's decimal digits into the hexadecimal ones that etcd's tools show. */
export function hex(id: string): string {
  return BigInt(id).toString(16);
}
