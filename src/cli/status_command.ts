/**
 * `kat-agent status`: how the cluster is, for people and for machines.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { map, optional } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { flag } from "@optique/core/primitives";
import type { ClusterStatus, MemberStatus } from "../cluster/cluster_status.ts";
import type { DiskSpace } from "../base/disk_space.ts";
import type { TimingStatus } from "../cluster/cluster_timing.ts";
import { byteText } from "../base/byte_text.ts";
import { escapeControls, toJson } from "../base/escape_controls.ts";
import { ExitCode } from "../base/errors.ts";
import type { Command, Context } from "./command.ts";
import { dataDirOption, endpointsOption, plainText } from "./options.ts";
import { table } from "./table.ts";
import { bindTo, findTarget } from "./target.ts";

const options = object({
  json: optional(flag("--json", {
    description: plainText("Print JSON instead of text."),
  })),
  dataDir: dataDirOption,
  endpoints: endpointsOption,
});

/** See `kat-agent help status`. */
export const statusCommand: Command = {
  name: "status",
  summary: "Show how the cluster is, what is wrong and what to do",
  description:
    "Asks the cluster of the node in the data directory, or the one at --endpoints, and prints its UID, its leader, and its members with version and size. The fence is the number of the leader's term: each later term has a greater one. etcd has a leader of its own, which can be on another node. For a node on this machine, status also prints the free space on its disk. The exit code is 0 if all is well, and 1 if something is wrong.",
  examples: [
    "kat-agent status",
    "kat-agent status --json --endpoints http://127.0.0.1:2379",
  ],
  parser: map(options, (flags) => (context) => status(flags, context)),
};

async function status(
  flags: InferValue<typeof options>,
  context: Context,
): Promise<ExitCode> {
  const { gatherFacts } = await import("../cluster/cluster_facts.ts");
  const { describeCluster } = await import("../cluster/cluster_status.ts");
  const target = await findTarget(flags, context);
  const { endpoints, nodeName, dataDir } = target;
  const { dataPaths } = await import("../agent/data_directory.ts");
  const facts = await gatherFacts({
    endpoints,
    nodeName,
    cluster: await bindTo(target),
    local: dataDir === undefined
      ? undefined
      : { dataDir, etcdLog: dataPaths(dataDir).etcdLog },
    signal: context.signal,
  });
  const found = describeCluster(facts);
  await context.stdout(
    flags.json ? toJson(found, 2) + "\n" : describe(found),
  );
  return found.problems.length === 0 ? ExitCode.ok : ExitCode.failed;
}

/** A status as text. */
function describe(status: ClusterStatus): string {
  const facts = table([
    ["cluster", status.clusterUid ?? "unknown"],
    ...(status.node === undefined ? [] : [["node", status.node]]),
    ["leader", status.leader ?? "none"],
    ["fence", status.fence ?? "none"],
    ...(status.timing ? timingRows(status.timing) : []),
    ...(status.disk ? [["disk left", diskText(status.disk)]] : []),
  ]);
  const members = status.members.length === 0 ? "" : "\n" + table([
    ["MEMBER", "URL", "ETCD", "SIZE", "STATE"],
    ...status.members.map((member) => [
      member.name || "-",
      member.url,
      member.etcdVersion ?? "-",
      sizeOf(member),
      stateOf(member),
    ]),
  ]);
  const problems = status.problems.map((problem) =>
    `\n! ${escapeControls(problem)}\n`
  );
  return facts + members + problems.join("");
}

function stateOf({ answers, alarms, leadsEtcd }: MemberStatus): string {
  if (!answers) return "does not answer";
  const health = alarms.length === 0 ? "healthy" : "has an alarm";
  return leadsEtcd ? `${health}, etcd's leader` : health;
}

function timingRows(timing: TimingStatus): string[][] {
  const { diskP99Ms, slowestNode } = timing;
  return [
    [
      "timing",
      `heartbeat ${timing.heartbeatIntervalMs} ms, election ${timing.electionTimeoutMs} ms, lease ${timing.leaderLeaseSeconds} s`,
    ],
    ["fail-over", `within ${timing.failoverSeconds} s`],
    ...(diskP99Ms === undefined ? [] : [[
      "slowest disk",
      `${slowestNode ?? "a node"}: 99 % of writes within ${diskP99Ms} ms`,
    ]]),
  ];
}

function diskText({ freeBytes, totalBytes }: DiskSpace): string {
  return `${byteText(freeBytes)} of ${byteText(totalBytes)}`;
}

function sizeOf({ dbBytes, quotaBytes }: MemberStatus): string {
  if (dbBytes === undefined) return "-";
  if (quotaBytes === undefined) return byteText(dbBytes);
  const percent = Math.floor(dbBytes / quotaBytes * 100);
  return `${byteText(dbBytes)} of ${byteText(quotaBytes)} (${percent} %)`;
}
