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

/** What a member says of itself. */
export interface EtcdMemberStatus {
  /** The cluster it belongs to, as hexadecimal digits. */
  readonly clusterId: string;
  /** Which member it is, as hexadecimal digits. */
  readonly memberId: string;
  /** The member that leads etcd's consensus, as it knows; `0` if none. */
  readonly leaderId: string;
  /** Its etcd, as `3.6.14`. */
  readonly version: string;
  /** The last revision that it has applied. */
  readonly revision: bigint;
  /** The term of etcd's consensus. */
  readonly raftTerm: bigint;
  /** The last entry of its log. */
  readonly raftIndex: bigint;
  /** The last entry that it has applied; 0 if it does not tell. */
  readonly raftAppliedIndex: bigint;
  /** Its database on disk, in bytes. */
  readonly dbBytes: number;
  /** What of that holds data; the rest is given back by defragmenting. */
  readonly dbBytesInUse: number;
  /** The size at which it refuses writes; told since etcd 3.6. */
  readonly quotaBytes?: number;
  /** Whether it only listens, without a vote. */
  readonly isLearner: boolean;
  /** What it complains of, in etcd's words; empty if all is well. */
  readonly errors: readonly string[];
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

/** Where a member's store has got to. */
export interface StorePosition {
  /** The cluster it belongs to, as hexadecimal digits. */
  readonly clusterId: string;
  /** Which member it is, as hexadecimal digits. */
  readonly memberId: string;
  /** A revision that a majority of the members has. */
  readonly revision: bigint;
}

/** Options of each call. */
export interface MaintenanceOptions {
  /** Ends the wait; what was sent may go on at the member. */
  readonly signal?: AbortSignal | undefined;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

interface Header {
  readonly cluster_id: string;
  readonly member_id: string;
  readonly revision: string;
}

interface StatusResponse {
  readonly header: Header;
  readonly version: string;
  readonly dbSize: string;
  readonly dbSizeInUse: string;
  readonly dbSizeQuota: string;
  readonly leader: string;
  readonly raftIndex: string;
  readonly raftTerm: string;
  readonly raftAppliedIndex: string;
  readonly isLearner: boolean;
  readonly errors?: readonly string[];
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
const ANSWER_MS = 3_000;
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
 * Asks the member at `endpoint` about itself; it needs no others to answer.
 *
 * @throws {EtcdCallError} if it does not answer.
 */
export async function readMemberStatus(
  endpoint: string,
  options: MaintenanceOptions = {},
): Promise<EtcdMemberStatus> {
  using client = new EtcdClient([endpoint]);
  const { header, ...answer } = await client.repeatable<StatusResponse>(
    "Maintenance",
    "status",
    {},
    { timeoutMs: ANSWER_MS, ...options },
  );
  return {
    clusterId: hex(header.cluster_id),
    memberId: hex(header.member_id),
    leaderId: hex(answer.leader),
    version: answer.version,
    revision: BigInt(header.revision),
    raftTerm: BigInt(answer.raftTerm),
    raftIndex: BigInt(answer.raftIndex),
    raftAppliedIndex: BigInt(answer.raftAppliedIndex),
    dbBytes: Number(answer.dbSize),
    dbBytesInUse: Number(answer.dbSizeInUse),
    ...(answer.dbSizeQuota === "0"
      ? {}
      : { quotaBytes: Number(answer.dbSizeQuota) }),
    isLearner: answer.isLearner,
    errors: answer.errors ?? [],
  };
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
  const { header } = await client.repeatable<{ readonly header: Header }>(
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

function hex(id: string): string {
  return BigInt(id).toString(16);
}
