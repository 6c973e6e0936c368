/**
 * What members report about themselves: each of them, or all of a cluster.
 *
 * @module
 */

import { EtcdCallError } from "./etcd_call_error.ts";
import { EtcdClient } from "./etcd_client.ts";
import {
  ANSWER_MS,
  EtcdMaintenance,
  hex,
  type MaintenanceOptions,
  type ResponseHeader,
} from "./etcd_maintenance.ts";

/** What a member reports about itself. */
export interface EtcdMemberStatus {
  /** The ID of its cluster in hexadecimal digits. */
  readonly clusterId: string;
  /** Its own ID in hexadecimal digits. */
  readonly memberId: string;
  /** The ID of etcd's leader, as far as the member knows; `0` if it knows none. */
  readonly leaderId: string;
  /** Its etcd, as `3.6.14`. */
  readonly version: string;
  /** The last revision that it has applied. */
  readonly revision: bigint;
  /** The term of etcd's consensus. */
  readonly raftTerm: bigint;
  /** The last entry of its log. */
  readonly raftIndex: bigint;
  /** The last entry that it has applied; 0 if it does not report that. */
  readonly raftAppliedIndex: bigint;
  /** Its database on disk, in bytes. */
  readonly dbBytes: number;
  /** The part of that with data in it; defragmenting frees the rest. */
  readonly dbBytesInUse: number;
  /** The size at which it refuses writes; reported since etcd 3.6. */
  readonly quotaBytes?: number;
  /** Whether it only follows and does not vote. */
  readonly isLearner: boolean;
  /** Its problems in etcd's words; empty if it has none. */
  readonly errors: readonly string[];
}

/** A member, and what it reports about itself. */
export interface MemberWithStatus {
  /** Its name; empty if it has never started. */
  readonly name: string;
  /** Its ID in hexadecimal digits. */
  readonly memberId: string;
  /** Its client URL, or its peer URL if it has never started. */
  readonly url: string;
  /** Its peer URL. */
  readonly peerUrl: string;
  /** Its report; absent if it does not answer. */
  readonly status?: EtcdMemberStatus;
}

/** Options of {@linkcode listMembersWithStatus}. */
export interface ListMembersOptions extends MaintenanceOptions {
  /** Client URLs of the cluster. */
  readonly endpoints: readonly string[];
}

interface StatusResponse {
  readonly header: ResponseHeader;
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

/**
 * Asks the member at `endpoint` about itself; it can answer without the others.
 *
 * @throws {EtcdCallError} if it does not answer.
 */
export async function readMemberStatus(
  endpoint: string,
  options: MaintenanceOptions = {},
): Promise<EtcdMemberStatus> {
  using client = new EtcdClient([endpoint], options);
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

/**
 * Asks the cluster for its members, and each of them about itself.
 *
 * @throws {EtcdCallError} if no member can list them.
 */
export async function listMembersWithStatus(
  { endpoints, ...options }: ListMembersOptions,
): Promise<MemberWithStatus[]> {
  using maintenance = new EtcdMaintenance(endpoints, options);
  const members = await maintenance.members(options);
  return await Promise.all(
    members.map(async ({ name, memberId, clientUrls, peerUrls }) => {
      const url = clientUrls[0] ?? peerUrls[0] ?? "";
      const status = await statusIfAnswering(url, options);
      const [peerUrl = ""] = peerUrls;
      return { name, memberId, url, peerUrl, ...(status ? { status } : {}) };
    }),
  );
}

/** Asks the member at `url` about itself; `undefined` if it does not answer. */
export async function statusIfAnswering(
  url: string,
  options: MaintenanceOptions = {},
): Promise<EtcdMemberStatus | undefined> {
  try {
    return await readMemberStatus(url, options);
  } catch (error) {
    if (error instanceof EtcdCallError) return undefined;
    throw error;
  }
}

/**
 * The problems of the member itself: its report also holds the alarms of all
 * other members.
 */
export function ownErrors(
  { errors, memberId }: Pick<EtcdMemberStatus, "errors" | "memberId">,
): string[] {
  return errors.map((error) => error.trim()).filter((error) => {
    const [, id] = /^memberID:(\d+) alarm:/.exec(error) ?? [];
    return id === undefined || BigInt(id).toString(16) === memberId;
  });
}

/** A member's name for a sentence. */
export function memberText(
  { name, url }: Pick<MemberWithStatus, "name" | "url">,
): string {
  return name === "" ? `member at ${url}` : `member "${name}" at ${url}`;
}
