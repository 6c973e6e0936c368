/**
 * What can be said of a cluster from outside: read only.
 *
 * @module
 */

import { messageOf } from "../base/errors.ts";
import { EtcdCallError } from "../etcd/etcd_call_error.ts";
import { ELECTION_PREFIX } from "../store/keys.ts";
import { EtcdStore } from "../store/etcd_store.ts";
import { type KV, StoreError } from "../store/state_store.ts";
import { readCluster } from "./cluster_record.ts";

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
  /** The members of its etcd. */
  readonly members: readonly MemberStatus[];
  /** What is wrong and what to do, a sentence each; empty if all is well. */
  readonly problems: readonly string[];
}

interface MemberList {
  readonly members: readonly {
    readonly name: string;
    readonly peerURLs: readonly string[];
    readonly clientURLs: readonly string[];
  }[];
}

interface MemberAnswer {
  readonly header: { readonly member_id: string };
  readonly version: string;
  readonly dbSize: string;
  readonly leader: string;
  readonly errors?: readonly string[];
}

/** How long each question may take. */
const ANSWER_MS = 3_000;

/** Options of {@linkcode readStatus}. */
export interface StatusOptions {
  /** Client URLs to ask. */
  readonly endpoints: readonly string[];
  /** The node in whose name is asked. */
  readonly nodeName?: string | undefined;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

/** Asks a cluster how it is. What cannot be known is left out and named among the problems. */
export async function readStatus(
  { endpoints, nodeName, signal }: StatusOptions,
): Promise<ClusterStatus> {
  await using store = new EtcdStore({ endpoints });
  const node = nodeName === undefined ? {} : { node: nodeName };
  const options = { signal, timeoutMs: ANSWER_MS };
  const problems: string[] = [];
  try {
    const cluster = await readCluster(store, options);
    const candidates = await store.list(ELECTION_PREFIX, options);
    const leader = oldest(candidates);
    const members = await readMembers(store, signal);
    if (cluster === undefined) {
      problems.push(
        "The store holds no cluster: make one with kat-agent init, or, if there was one, restore a backup",
      );
    } else if (leader === undefined) {
      problems.push("Nobody leads: see that an agent runs (kat-agent run)");
    }
    problems.push(...memberProblems(members));
    return {
      ...(cluster ? { clusterUid: cluster.uid } : {}),
      ...node,
      ...(leader
        ? {
          leader: new TextDecoder().decode(leader.value),
          fence: leader.version.toString(),
        }
        : {}),
      members,
      problems,
    };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    problems.push(
      `The store does not answer (${error.message}): see that the agents run, on more than half of the nodes`,
    );
    // Without a majority nobody can list the members, but each can be asked.
    const members = await Promise.all(
      endpoints.map((url) => readMember("", url, signal)),
    );
    problems.push(...memberProblems(members));
    return { ...node, members, problems };
  }
}

/** The candidate whose key is the oldest; an election key is written once, so its version is its rank. */
function oldest(candidates: readonly KV[]): KV | undefined {
  return candidates.toSorted((a, b) => Number(a.version - b.version))[0];
}

async function readMembers(
  store: EtcdStore,
  signal: AbortSignal,
): Promise<MemberStatus[]> {
  const options = { signal, timeoutMs: ANSWER_MS };
  const { members } = await store.client.repeatable<MemberList>(
    "Cluster",
    "memberList",
    {},
    options,
  ).catch((error) => {
    throw error instanceof EtcdCallError
      ? new StoreError(messageOf(error), { cause: error })
      : error;
  });
  return await Promise.all(members.map((member) => {
    const url = member.clientURLs[0] ?? member.peerURLs[0] ?? "";
    return readMember(member.name, url, signal);
  }));
}

async function readMember(
  name: string,
  url: string,
  signal: AbortSignal,
): Promise<MemberStatus> {
  const answer = await askMember(url, signal);
  if (answer === undefined) {
    return { name, url, answers: false, leadsEtcd: false, alarms: [] };
  }
  return {
    name,
    url,
    answers: true,
    leadsEtcd: answer.leader === answer.header.member_id,
    etcdVersion: answer.version,
    dbBytes: Number(answer.dbSize),
    alarms: answer.errors ?? [],
  };
}

async function askMember(
  url: string,
  signal: AbortSignal,
): Promise<MemberAnswer | undefined> {
  await using store = new EtcdStore({ endpoints: [url] });
  try {
    return await store.client.repeatable<MemberAnswer>(
      "Maintenance",
      "status",
      {},
      { signal, timeoutMs: ANSWER_MS },
    );
  } catch (error) {
    if (error instanceof EtcdCallError) return undefined;
    throw error;
  }
}

function memberProblems(members: readonly MemberStatus[]): string[] {
  const away = members.filter(({ answers }) => !answers);
  const spare = Math.ceil(members.length / 2) - 1 - away.length;
  const warning = spare === 0 ? "; losing one more stops the cluster" : "";
  const nameOf = ({ name, url }: MemberStatus) =>
    name === "" ? `Member at ${url}` : `Member "${name}" at ${url}`;
  return [
    ...away.map((member) =>
      `${nameOf(member)} does not answer: start its agent${warning}`
    ),
    ...members.flatMap((member) =>
      member.alarms.map((alarm) =>
        `${nameOf(member)} reports "${alarm}"${adviceFor(alarm)}`
      )
    ),
  ];
}

/** What to do about an alarm, where that is known. */
function adviceFor(alarm: string): string {
  return /NOSPACE/.test(alarm)
    ? ": raise spec.etcd.quotaBackendBytes, or delete keys, compact, defragment, and disarm the alarm with etcdctl"
    : /CORRUPT/.test(alarm)
    ? ": its data differs from the others'; stop it and restore a backup"
    : "";
}
