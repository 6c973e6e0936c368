/**
 * What administrators do to a cluster: they set a clock, compact, defragment,
 * and move etcd's leader.
 *
 * @module
 */

import { eventually } from "../machine/eventually.ts";
import {
  endpointsOf,
  etcdctl,
  etcdctlJson,
  memberNodes,
} from "./cluster_under_test.ts";
import {
  type FaultContext,
  type FaultKind,
  type FaultResult,
  lacksNothing,
} from "./fault_kind.ts";

const HOUR_MS = 3_600_000;
/** How long a transfer of the lead is tried for, in milliseconds. */
const TRANSFER_MS = 15_000;

async function stepClock(
  { cluster, random, sleep }: FaultContext,
): Promise<FaultResult> {
  const candidate = cluster.candidates.find(({ name }) => name === "c3");
  const target = ["n3", "c3"];
  if (!cluster.clockFile || !candidate) return { target, proof: null };
  const sign = random.pick(["+", "-"]);
  // Renamed, so that no reader sees half of it.
  await setClock(cluster.clockFile, `${sign}3600`);
  const answer = await candidate.ask({ tell: "clock" });
  const aheadMs = answer?.type === "clock" ? answer.ms - Date.now() : 0;
  await sleep(random.integer(1_000, 8_000));
  await setClock(cluster.clockFile, "+0");
  const stepped = Math.abs(Math.abs(aheadMs) - HOUR_MS) < HOUR_MS / 10;
  return {
    target,
    proof: stepped ? `its clock was ${Math.round(aheadMs)} ms ahead` : null,
  };
}

async function setClock(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${path}.new`, `${text}\n`);
  await Deno.rename(`${path}.new`, path);
}

async function compact(
  { cluster, recorders, random }: FaultContext,
): Promise<FaultResult> {
  const recorded = Math.min(...recorders.map(({ revision }) => revision));
  const revision = Math.max(1, recorded - random.integer(0, 200));
  const node = random.pick(memberNodes(cluster));
  try {
    const answer = await etcdctl(
      [node.setting.endpoint ?? ""],
      "compact",
      String(revision),
    );
    return { target: [node.name], proof: answer };
  } catch (error) {
    // Of two compactions the lower one is refused: then it was done already.
    return { target: [node.name], proof: compactedAlready(error) };
  }
}

function compactedAlready(error: unknown): string | null {
  const { message } = error as Error;
  return message.includes("has been compacted") ? "compacted already" : null;
}

async function defragment(
  { cluster, random }: FaultContext,
): Promise<FaultResult> {
  const node = random.pick(memberNodes(cluster));
  const proof = await etcdctl([node.setting.endpoint ?? ""], "defrag")
    .catch(() => null);
  return { target: [node.name], proof };
}

async function moveLeader({ cluster }: FaultContext): Promise<FaultResult> {
  const target = memberNodes(cluster).map(({ name }) => name);
  // A transfer may take too long, or an election come in between.
  const proof = await eventually(() => transfer(endpointsOf(cluster)), {
    withinMs: TRANSFER_MS,
    everyMs: 500,
  }).catch(() => null);
  return { target, proof };
}

/** Makes another member the leader, and says what etcd says. */
async function transfer(endpoints: readonly string[]): Promise<string> {
  const [{ Status }] = await etcdctlJson(
    endpoints.slice(0, 1),
    "endpoint",
    "status",
  );
  const other = Status.header.member_id === Status.leader
    ? await memberOf(endpoints[1] ?? "")
    : Status.header.member_id;
  // Only the leader itself takes the command, so it is sent to all.
  return await etcdctl(
    endpoints,
    "move-leader",
    BigInt(other).toString(16),
  );
}

async function memberOf(endpoint: string): Promise<bigint> {
  const [{ Status }] = await etcdctlJson([endpoint], "endpoint", "status");
  return Status.header.member_id;
}

/** All of them. */
export const ADMIN_FAULTS: readonly FaultKind[] = [
  {
    name: "wall clock steps",
    mild: "clock",
    lacks: ({ clockFile }) =>
      clockFile === undefined ? "libfaketime" : undefined,
    inflict: stepClock,
  },
  {
    name: "compaction",
    mild: "history",
    lacks: lacksNothing,
    inflict: compact,
  },
  { name: "defragmentation", lacks: lacksNothing, inflict: defragment },
  {
    name: "move etcd's leader",
    lacks: ({ members }) => members === 1 ? "other members" : undefined,
    inflict: moveLeader,
  },
];
