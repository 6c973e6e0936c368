/**
 * What can be said of a cluster from outside: read only.
 *
 * @module
 */

import { EtcdCallError } from "../etcd/client/etcd_call_error.ts";
import { explainLastEnd } from "../etcd/process/explain_exit.ts";
import { DEFAULT_QUOTA_BYTES } from "../etcd/process/etcd_flags.ts";
import { readLogTail } from "../etcd/process/etcd_log_file.ts";
import {
  type ListedMember,
  listMembersWithStatus,
  memberText,
  ownErrors,
  statusIfAnswering,
} from "../etcd/client/member_status.ts";
import { ELECTION_PREFIX } from "../store/keys.ts";
import { EtcdStore } from "../store/etcd/etcd_store.ts";
import { type KV, StoreError } from "../store/state_store.ts";
import { readCluster } from "./cluster_record.ts";
import { readTiming } from "./agree_on_timing.ts";
import { type DiskSpace, diskSpace } from "../base/disk_space.ts";
import { findSpaceTroubles } from "./space_rules.ts";
import { describeTiming, type TimingStatus } from "./cluster_timing.ts";

/** One member of the cluster. */
export interface MemberStatus {
  /** Its name; empty if it has never started. */
  readonly name: string;
  /** Its client URL, or its peer URL as long as it has none. */
  readonly url: string;
  /** Whether it answers. */
  readonly answers: boolean;
  /** Whether it leads etcd's own consensus. */
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
  /** How patient it is, and what follows for the loss of a leader. */
  readonly timing?: TimingStatus;
  /** The members of its etcd. */
  readonly members: readonly MemberStatus[];
  /** What is wrong and what to do, a sentence each; empty if all is well. */
  readonly problems: readonly string[];
}

/** How long each question may take. */
const ANSWER_MS = 3_000;

/** Files of a node on this machine. */
export interface LocalNode {
  /** Its data directory. */
  readonly dataDir: string;
  /** What its etcd has written. */
  readonly etcdLog: string;
}

/** Options of {@linkcode readStatus}. */
export interface StatusOptions {
  /** Client URLs to ask. */
  readonly endpoints: readonly string[];
  /** The node in whose name is asked. */
  readonly nodeName?: string | undefined;
  /** The node's own files, if it is on this machine. */
  readonly local?: LocalNode | undefined;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

/** Asks a cluster how it is. What cannot be known is left out and named among the problems. */
export async function readStatus(
  { endpoints, nodeName, local, signal }: StatusOptions,
): Promise<ClusterStatus> {
  await using store = new EtcdStore({ endpoints });
  const disk = local && await diskSpace(local.dataDir);
  const node = {
    ...(nodeName === undefined ? {} : { node: nodeName }),
    ...(disk ? { disk } : {}),
  };
  const options = { signal, timeoutMs: ANSWER_MS };
  const problems: string[] = [];
  const ownProblems = (members: readonly MemberStatus[]) =>
    local === undefined
      ? []
      : etcdProblems(local, members, { nodeName, url: endpoints[0] });
  try {
    const cluster = await readCluster(store, options);
    const timing = await readTiming(store, options);
    const candidates = await store.list(ELECTION_PREFIX, options);
    const leader = oldest(candidates);
    const quotaBytes = cluster &&
      (cluster.spec.etcd.quotaBackendBytes ?? DEFAULT_QUOTA_BYTES);
    const members = (await listMembersWithStatus({ endpoints, ...options }))
      .map((member) => describeMember(member, quotaBytes));
    if (cluster === undefined) {
      problems.push(
        "The store holds no cluster: make one with kat-agent init, or, if there was one, restore a backup",
      );
    } else if (leader === undefined) {
      problems.push("Nobody leads: see that an agent runs (kat-agent run)");
    }
    problems.push(
      ...memberProblems(members),
      ...await ownProblems(members),
      ...diskProblems(node, members),
    );
    return {
      ...(cluster ? { clusterUid: cluster.uid } : {}),
      ...node,
      ...(leader
        ? {
          leader: new TextDecoder().decode(leader.value),
          fence: leader.version.toString(),
        }
        : {}),
      ...(cluster
        ? { timing: describeTiming(cluster.spec, timing, members.length) }
        : {}),
      members,
      problems,
    };
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof EtcdCallError)) {
      throw error;
    }
    problems.push(
      `The store does not answer (${error.message}): see that the agents run, on more than half of the nodes`,
    );
    // Without a majority nobody can list the members, but each can be asked.
    const members = await Promise.all(endpoints.map(async (url) => {
      const status = await statusIfAnswering(url, options);
      return describeMember({ name: "", url, ...(status ? { status } : {}) });
    }));
    problems.push(
      ...memberProblems(members),
      ...await ownProblems(members),
      ...diskProblems(node, members),
    );
    return { ...node, members, problems };
  }
}

/** The candidate whose key is the oldest; an election key is written once, so its version is its rank. */
function oldest(candidates: readonly KV[]): KV | undefined {
  return candidates.toSorted((a, b) => Number(a.version - b.version))[0];
}

/** What can be said of a member; `quotaBytes` is its quota, if it does not tell. */
function describeMember(
  { name, url, status }: Pick<ListedMember, "name" | "url" | "status">,
  quotaBytes?: number,
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

function memberProblems(members: readonly MemberStatus[]): string[] {
  const away = members.filter(({ answers }) => !answers);
  const spare = Math.ceil(members.length / 2) - 1 - away.length;
  const warning = spare === 0 ? "; losing one more stops the cluster" : "";
  const nameOf = (member: MemberStatus) => {
    const text = memberText(member);
    return text.charAt(0).toUpperCase() + text.slice(1);
  };
  return [
    ...away.map((member) =>
      `${nameOf(member)} does not answer: start its agent${warning}`
    ),
    ...members.flatMap((member) =>
      member.alarms.map((alarm) =>
        `${nameOf(member)} reports "${alarm}"${adviceFor(alarm)}`
      )
    ),
    ...members.filter(({ alarms }) => !alarms.some(isNoSpace)).flatMap((
      member,
    ) =>
      findSpaceTroubles(member).map(({ why, advice }) =>
        `${nameOf(member)}: ${why}: ${advice}`
      )
    ),
  ];
}

/** Why the etcd of the node on this machine gave up, if it does not answer. */
async function etcdProblems(
  { etcdLog }: LocalNode,
  members: readonly MemberStatus[],
  own: {
    readonly nodeName: string | undefined;
    readonly url: string | undefined;
  },
): Promise<string[]> {
  const member = members.find(({ name, url }) =>
    name === own.nodeName || url === own.url
  );
  if (member?.answers !== false) return [];
  const end = explainLastEnd(await readLogTail(etcdLog));
  if (end === undefined) return [];
  const { why, hint = `read ${etcdLog}` } = end;
  return [`The etcd of node "${own.nodeName}" gave up: ${why}: ${hint}`];
}

/** What is wrong with the disk of the node on this machine. */
function diskProblems(
  { node, disk }: Pick<ClusterStatus, "node" | "disk">,
  members: readonly MemberStatus[],
): string[] {
  const dbBytes = members.find(({ name }) => name === node)?.dbBytes;
  return findSpaceTroubles({ dbBytes, diskFreeBytes: disk?.freeBytes })
    .map(({ why, advice }) => `Node "${node}": ${why}: ${advice}`);
}

/** What to do about an alarm, where that is known. */
function adviceFor(alarm: string): string {
  const [full] = findSpaceTroubles({ isFull: isNoSpace(alarm) });
  if (full) return `: ${full.why}: ${full.advice}`;
  return /CORRUPT/.test(alarm)
    ? ": its data differs from the others'; stop it and restore a backup"
    : "";
}

function isNoSpace(alarm: string): boolean {
  return /NOSPACE/.test(alarm);
}
