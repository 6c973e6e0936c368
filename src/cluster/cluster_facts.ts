/**
 * Asks a cluster from outside how it is, without changing anything: facts only,
 * and which of them could not be found out. What they mean says
 * `cluster_status.ts`.
 *
 * @module
 */

import { type DiskSpace, diskSpace } from "../base/disk_space.ts";
import { ClusterBinding } from "../etcd/client/cluster_binding.ts";
import { EtcdCallError } from "../etcd/client/etcd_call_error.ts";
import { acceptsConnection } from "../etcd/client/accepts_connection.ts";
import {
  listMembersWithStatus,
  type MemberWithStatus,
  statusIfAnswering,
} from "../etcd/client/member_status.ts";
import { readLogTail } from "../etcd/process/etcd_log_file.ts";
import { explainLastEnd } from "../etcd/process/diagnose_log.ts";
import { EtcdStore } from "../store/etcd/etcd_store.ts";
import { ELECTION_PREFIX } from "../store/keys.ts";
import { type KV, type StateStore, StoreError } from "../store/state_store.ts";
import { readTiming } from "./agree_on_timing.ts";
import { type ClusterRecord, readCluster } from "./cluster_record.ts";
import type { ClusterTiming } from "./cluster_timing.ts";

/** What was found out of a cluster. */
export interface ClusterFacts {
  /** The node in whose name was asked, if it is known. */
  readonly node?: string | undefined;
  /** The client URLs that were asked, the node's own first. */
  readonly endpoints: readonly string[];
  /** What the store holds, or why it could not be read. */
  readonly store: StoreFacts | UnreadStore;
  /** The members of its etcd; if they cannot be listed, the asked URLs, without names. */
  readonly members: readonly MemberFacts[];
  /** The node's own files, if it is on this machine. */
  readonly local?: LocalFacts | undefined;
}

/** What the store holds. */
export interface StoreFacts {
  /** Always true. */
  readonly answers: true;
  /** The cluster; `undefined` if the store holds none. */
  readonly cluster: ClusterRecord | undefined;
  /** The shared timing; `undefined` if the store holds none. */
  readonly timing: ClusterTiming | undefined;
  /** Who leads; `undefined` if there is no leader. */
  readonly leader: LeaderFacts | undefined;
}

/** A store that could not be read. */
export interface UnreadStore {
  /** Always false. */
  readonly answers: false;
  /** What it answered instead, or that it did not. */
  readonly reason: string;
}

/** A leader. */
export interface LeaderFacts {
  /** Its leader ID: the node's name. */
  readonly leaderId: string;
  /** The fence of its term. */
  readonly fence: bigint;
}

/** A member; `status` is absent if it does not answer. */
export interface MemberFacts
  extends Pick<MemberWithStatus, "name" | "url" | "status"> {
  /** Its ID in hexadecimal digits, if the members could be listed. */
  readonly memberId?: string;
  /** Whether its peer port takes connections, if it does not answer. */
  readonly isPeerOpen?: boolean;
}

/** What a node's own files tell. */
export interface LocalFacts {
  /** What its etcd has written. */
  readonly etcdLog: string;
  /** Why its etcd stopped by itself the last time; `undefined` if it did not, or was killed. */
  readonly lastEnd: ReturnType<typeof explainLastEnd>;
  /** The disk of its data; `undefined` if that cannot be told. */
  readonly disk: DiskSpace | undefined;
}

/** Options of {@linkcode gatherFacts}. */
export interface FactOptions {
  /** Client URLs to ask, the node's own first. */
  readonly endpoints: readonly string[];
  /** The node in whose name is asked. */
  readonly nodeName?: string | undefined;
  /** The node's own files, if it is on this machine. */
  readonly local?: {
    /** Its data directory. */
    readonly dataDir: string;
    /** What its etcd has written. */
    readonly etcdLog: string;
  } | undefined;
  /** The one cluster whose answers are taken. @default {that of the first answer} */
  readonly cluster?: ClusterBinding | undefined;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

/** How long each question may take. */
const ANSWER_MS = 3_000;

/** Asks a cluster how it is. */
export async function gatherFacts(
  { endpoints, nodeName, local, cluster = new ClusterBinding(), signal }:
    FactOptions,
): Promise<ClusterFacts> {
  const options = { cluster, signal, timeoutMs: ANSWER_MS };
  return {
    node: nodeName,
    endpoints,
    local: local && {
      etcdLog: local.etcdLog,
      lastEnd: explainLastEnd(await readLogTail(local.etcdLog)),
      disk: await diskSpace(local.dataDir),
    },
    ...await askCluster(endpoints, options),
  };
}

interface AskOptions {
  readonly cluster: ClusterBinding;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

async function askCluster(
  endpoints: readonly string[],
  options: AskOptions,
): Promise<Pick<ClusterFacts, "store" | "members">> {
  const { cluster } = options;
  await using store = new EtcdStore({ endpoints, cluster });
  try {
    return {
      store: await readStore(store, options),
      members: await listMembers(endpoints, options),
    };
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof EtcdCallError)) {
      throw error;
    }
    return {
      store: { answers: false, reason: error.message },
      members: await listMembers(endpoints, options),
    };
  }
}

/**
 * The members as any of the endpoints knows them, which needs no majority; if
 * none answers, the endpoints.
 */
async function listMembers(
  endpoints: readonly string[],
  options: AskOptions,
): Promise<MemberFacts[]> {
  const asking = { ...options, needsLeader: false };
  try {
    const members = await listMembersWithStatus({ endpoints, ...asking });
    return await Promise.all(
      members.map(async ({ peerUrl, ...member }) =>
        member.status === undefined
          ? { ...member, isPeerOpen: await acceptsConnection(peerUrl, options) }
          : member
      ),
    );
  } catch (error) {
    if (!(error instanceof EtcdCallError)) throw error;
    return await Promise.all(endpoints.map(async (url) => {
      const status = await statusIfAnswering(url, asking);
      return { name: "", url, ...(status ? { status } : {}) };
    }));
  }
}

async function readStore(
  store: StateStore,
  options: AskOptions,
): Promise<StoreFacts> {
  const cluster = await readCluster(store, options);
  const timing = await readTiming(store, options);
  const leader = oldest(await store.list(ELECTION_PREFIX, options));
  return {
    answers: true,
    cluster,
    timing,
    leader: leader && {
      leaderId: new TextDecoder().decode(leader.value),
      fence: leader.version,
    },
  };
}

/** The candidate whose key is the oldest. An election key is written once: its version is its create revision. */
function oldest(candidates: readonly KV[]): KV | undefined {
  return candidates.toSorted((a, b) => Number(a.version - b.version))[0];
}
