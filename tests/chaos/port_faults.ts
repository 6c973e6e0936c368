/**
 * Another etcd takes the port of a node's own, as a distribution's service does
 * when the node's etcd ends for a moment.
 *
 * @module
 */

import { startSwitchingProxy } from "../security/fakes/switching_proxy.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import type { ClusterUnderTest } from "./cluster_under_test.ts";
import type { FaultContext, FaultKind, FaultResult } from "./fault_kind.ts";
import { killed } from "./process_faults.ts";

/** How long it has the port, in milliseconds: the node's etcd is tried a few times meanwhile. */
const TAKEN_MS = [1_000, 4_000] as const;
/** Within this time an agent without a member has ended that met it, and was started again. */
const ENDING_MS = 2_000;

async function takePort(
  { node, random, sleep }: FaultContext,
): Promise<FaultResult> {
  const { endpoint = "" } = node.setting;
  const { hostname, port } = new URL(endpoint);
  await using other = await startTestEtcd();
  const pid = await node.etcdPid();
  const taking = startSwitchingProxy({
    port: other.port,
    hostname,
    listenOn: Number(port),
  });
  await killed(pid, "etcd");
  let connections: number;
  {
    await using thief = await taking;
    await sleep(random.integer(...TAKEN_MS));
    ({ connections } = thief);
  }
  await sleep(ENDING_MS);
  const keys = await other.ctl("get", "--prefix", "", "--keys-only");
  const leases = await other.ctl("lease", "list");
  if (keys !== "" || !leases.startsWith("found 0")) {
    throw new Error(`Another etcd was written to: ${keys} ${leases}`);
  }
  return {
    target: [node.name],
    proof: connections === 0
      ? null
      : `${connections} connections to another etcd at ${endpoint}, in which nothing was written`,
  };
}

function lacksWay({ networks }: ClusterUnderTest): string | undefined {
  return networks.size > 0 ? "a way into a network of a node" : undefined;
}

/** All of them. */
export const PORT_FAULTS: readonly FaultKind[] = [
  { name: "another etcd takes the port", lacks: lacksWay, inflict: takePort },
];

/** Which of them are done to a node with a member: all. */
export const NEEDS_PORT: ReadonlySet<string> = new Set(
  PORT_FAULTS.map(({ name }) => name),
);
