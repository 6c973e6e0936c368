/**
 * How a cluster is, what is wrong with it and what to do, from the facts that
 * were gathered: pure.
 *
 * @module
 */

import type { DiskSpace } from "../base/disk_space.ts";
import { explainSilentMember } from "./silent_member.ts";
import { memberText, ownErrors } from "../etcd/client/member_status.ts";
import { DEFAULT_QUOTA_BYTES } from "../etcd/process/etcd_flags.ts";
import type { ClusterFacts, MemberFacts } from "./cluster_facts.ts";
import { describeTiming, type TimingStatus } from "./cluster_timing.ts";
import { findSpaceTroubles } from "./space_rules.ts";

/** One member of the cluster. */
export interface MemberStatus {
  /** Its name; empty if it has never started. */
  readonly name: string;
  /** Its client URL, or its peer URL as long as it has none. */
  readonly url: string;
  /** Whether it answers. */
  readonly answers: boolean;
  /** Whether it is etcd's own leader. */
  readonly leadsEtcd: boolean;
  /** Its etcd's version, as `3.6.14`. */
  readonly etcdVersion?: string;
  /** The size of its database on disk, in bytes. */
  readonly dbBytes?: number;
  /** What of that holds data; the rest is given back by defragmenting. */
  readonly dbBytesInUse?: number;
  /** The size of its database at which it refuses writes, in bytes. */
  readonly quotaBytes?: number;
  /** What it reports of itself, in etcd's words; empty if all is well. */
  readonly alarms: readonly string[];
}

/** A cluster as it is seen now. The field names are promised for `--json`. */
export interface ClusterStatus {
  /** The cluster's UUID. */
  readonly clusterUid?: string;
  /** The node that was asked, if it is known. */
  readonly node?: string;
  /** Who leads. */
  readonly leader?: string;
  /** The fence of the leader's term, as decimal text. */
  readonly fence?: string;
  /** The disk of the node's data, if the node is on this machine. */
  readonly disk?: DiskSpace;
  /** Its time-outs, and how long a fail-over takes with them. */
  readonly timing?: TimingStatus;
  /** The members of its etcd. */
  readonly members: readonly MemberStatus[];
  /** What is wrong and what to do, a sentence each; empty if all is well. */
  readonly problems: readonly string[];
}

/** Describes a cluster by its facts. What is not known is left out, and named among the problems if it should be known. */
export function describeCluster(facts: ClusterFacts): ClusterStatus {
  const { node, store, local } = facts;
  const { cluster, timing, leader } = store.answers
    ? store
    : { cluster: undefined, timing: undefined, leader: undefined };
  const quotaBytes = cluster &&
    (cluster.spec.etcd.quotaBackendBytes ?? DEFAULT_QUOTA_BYTES);
  const members = facts.members.map((one) => describeMember(one, quotaBytes));
  return {
    ...(cluster ? { clusterUid: cluster.uid } : {}),
    ...(node === undefined ? {} : { node }),
    ...(local?.disk ? { disk: local.disk } : {}),
    ...(leader
      ? { leader: leader.leaderId, fence: leader.fence.toString() }
      : {}),
    ...(cluster
      ? { timing: describeTiming(cluster.spec, timing, members.length) }
      : {}),
    members,
    problems: [
      ...storeProblems(facts),
      ...silenceProblems(facts.members, members),
      ...alarmProblems(members),
      ...quotaProblems(members),
      ...ownEtcdProblems(facts, members),
      ...ownDiskProblems(facts, members),
    ],
  };
}

/** What can be said of a member; `quotaBytes` is its quota, if it does not tell. */
function describeMember(
  { name, url, status }: MemberFacts,
  quotaBytes: number | undefined,
): MemberStatus {
  if (status === undefined) {
    return { name, url, answers: false, leadsEtcd: false, alarms: [] };
  }
  const quota = status.quotaBytes ?? quotaBytes;
  return {
    name,
    url,
    answers: true,
    leadsEtcd: status.leaderId === status.memberId,
    etcdVersion: status.version,
    dbBytes: status.dbBytes,
    dbBytesInUse: status.dbBytesInUse,
    ...(quota === undefined ? {} : { quotaBytes: quota }),
    alarms: ownErrors(status),
  };
}

function storeProblems({ store }: ClusterFacts): string[] {
  if (!store.answers) {
    return [
      `The store does not answer (${store.reason}): check that the agents run on more than half of the nodes`,
    ];
  }
  if (store.cluster === undefined) {
    return [
      "The store holds no cluster: make one with kat-agent init; if there was one, restore it from a backup",
    ];
  }
  return store.leader === undefined
    ? ["There is no leader: check that an agent runs (kat-agent run)"]
    : [];
}

function silenceProblems(
  facts: readonly MemberFacts[],
  members: readonly MemberStatus[],
): string[] {
  const away = facts.filter(({ status }) => status === undefined);
  const spare = Math.ceil(members.length / 2) - 1 - away.length;
  const warning = spare === 0 ? "; losing one more stops the cluster" : "";
  return away.map((member) =>
    `${nameOf(member)} ${explainSilentMember(member)}${warning}`
  );
}

function alarmProblems(members: readonly MemberStatus[]): string[] {
  return members.flatMap((member) =>
    member.alarms.map((alarm) =>
      `${nameOf(member)} reports "${alarm}"${adviceFor(alarm)}`
    )
  );
}

/** Databases that are nearly full; of one that is full its alarm tells. */
function quotaProblems(members: readonly MemberStatus[]): string[] {
  return members.filter(({ alarms }) => !alarms.some(isNoSpace))
    .flatMap((member) =>
      findSpaceTroubles(member).map(({ why, advice }) =>
        `${nameOf(member)}: ${why}: ${advice}`
      )
    );
}

/** Why the etcd of the node on this machine stopped by itself, if it does not answer. */
function ownEtcdProblems(
  { node, endpoints, local }: ClusterFacts,
  members: readonly MemberStatus[],
): string[] {
  const own = members.find(({ name, url }) =>
    name === node || url === endpoints[0]
  );
  if (own?.answers !== false || local?.lastEnd === undefined) return [];
  const { why, hint = `read ${local.etcdLog}` } = local.lastEnd;
  return [`etcd on node "${node}" stopped by itself: ${why}: ${hint}`];
}

/** What is wrong with the disk of the node on this machine. */
function ownDiskProblems(
  { node, local }: ClusterFacts,
  members: readonly MemberStatus[],
): string[] {
  const dbBytes = members.find(({ name }) => name === node)?.dbBytes;
  return findSpaceTroubles({ dbBytes, diskFreeBytes: local?.disk?.freeBytes })
    .map(({ why, advice }) => `Node "${node}": ${why}: ${advice}`);
}

/** A member's name at the start of a sentence. */
function nameOf(member: Pick<MemberStatus, "name" | "url">): string {
  const text = memberText(member);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What to do about an alarm, where that is known. */
function adviceFor(alarm: string): string {
  const [full] = findSpaceTroubles({ isFull: isNoSpace(alarm) });
  if (full) return `: ${full.why}: ${full.advice}`;
  return /CORRUPT/.test(alarm)
    ? ": its data differs from the data of the other members; stop its agent and restore its data from a backup"
    : "";
}

function isNoSpace(alarm: string): boolean {
  return /NOSPACE/.test(alarm);
}
