/**
 * What a run is made of: nodes, candidates, and the proxies and networks between them.
 *
 * @module
 */

import { etcdctl as runEtcdctl } from "../machine/etcdctl.ts";
import type { TcpProxy } from "../fakes/tcp_proxy.ts";
import type { CandidateProcess } from "./candidate_process.ts";
import type { ChaosNode } from "./chaos_node.ts";
import type { NodeNetwork } from "./node_network.ts";

/** A cluster that faults are done to; disposing ends it in order. */
export interface ClusterUnderTest extends AsyncDisposable {
  /** How many members its etcd has. */
  readonly members: 1 | 3;
  /** All nodes; those with a member come first. */
  readonly nodes: readonly ChaosNode[];
  /** The candidates beside the agents. */
  readonly candidates: readonly CandidateProcess[];
  /** Proxies by their user: an agent, a candidate, the traffic. */
  readonly links: ReadonlyMap<string, TcpProxy>;
  /** Networks by node. */
  readonly networks: ReadonlyMap<string, NodeNetwork>;
  /** For each client of the traffic, the members' client URLs. */
  readonly clients: readonly (readonly string[])[];
  /** The ports on which members serve clients and each other. */
  readonly ports: { readonly client: number; readonly peer: number };
  /** The directory of a node that has a small disk of its own. */
  readonly smallDisk?: { readonly node: string; readonly path: string };
  /** The file that moves the clock of `n3` and `c3`. */
  readonly clockFile?: string | undefined;
}

/** Nodes that have a member. */
export function memberNodes({ nodes }: ClusterUnderTest): ChaosNode[] {
  return nodes.filter(({ setting }) => setting.endpoint !== undefined);
}

/** The members' client URLs, as seen from the run. */
export function endpointsOf(cluster: ClusterUnderTest): string[] {
  return memberNodes(cluster).map(({ setting }) => setting.endpoint ?? "");
}

/** What `etcdctl` prints in JSON, of one or more members. */
export async function etcdctlJson(
  endpoints: readonly string[],
  ...args: string[]
  // deno-lint-ignore no-explicit-any
): Promise<any> {
  const text = await etcdctl(endpoints, "--write-out=json", ...args);
  return JSON.parse(text, exactly);
}

/** Keeps numbers exact that are too large for JavaScript's. */
function exactly(
  _name: string,
  value: unknown,
  context?: { readonly source: string },
): unknown {
  return typeof value === "number" && !Number.isSafeInteger(value) && context
    ? BigInt(context.source)
    : value;
}

/** Runs `etcdctl` on one or more members. @throws {Error} if it fails. */
export async function etcdctl(
  endpoints: readonly string[],
  ...args: string[]
): Promise<string> {
  const timeouts = ["--dial-timeout=2s", "--command-timeout=5s"];
  return await runEtcdctl(endpoints.join(","), ...timeouts, ...args);
}

/** The node whose member leads etcd's raft; undefined if none says so. */
export async function raftLeader(
  cluster: ClusterUnderTest,
): Promise<ChaosNode | undefined> {
  for (const node of memberNodes(cluster)) {
    try {
      const [{ Status }] = await etcdctlJson(
        [node.setting.endpoint ?? ""],
        "endpoint",
        "status",
      );
      if (Status.header.member_id === Status.leader) return node;
    } catch {
      // The next may answer.
    }
  }
  return undefined;
}
