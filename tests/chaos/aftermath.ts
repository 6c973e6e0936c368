/**
 * The end of a run: what every member holds, and what is left when all have
 * ended.
 *
 * @module
 */

import { sleep } from "../machine/sleep.ts";
import { ELECTION_PREFIX } from "../../src/store/keys.ts";
import { eventually } from "../machine/eventually.ts";
import {
  commandLine,
  etcdsOn,
  processesNaming,
  signal,
} from "../machine/processes.ts";
import {
  type ClusterUnderTest,
  endpointsOf,
  etcdctl,
  etcdctlJson,
  memberNodes,
} from "./cluster_under_test.ts";
import type { HistoryRecord } from "../history/history.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";
import { LEASED_PREFIX } from "./traffic_leases.ts";

/** Writes down what all members hold at one revision, and which alarms are up. */
export async function compareMembers(
  cluster: ClusterUnderTest,
  append: (record: HistoryRecord) => void,
): Promise<void> {
  const endpoints = endpointsOf(cluster);
  const [{ Status }] = await etcdctlJson(
    endpoints.slice(0, 1),
    "endpoint",
    "status",
  );
  const revision = Number(Status.header.revision);
  const look = async () => {
    const found = [];
    for (const node of memberNodes(cluster)) {
      const [{ HashKV }] = await etcdctlJson(
        [node.setting.endpoint ?? ""],
        "endpoint",
        "hashkv",
        `--rev=${revision}`,
      );
      const { hash, compact_revision } = HashKV;
      found.push({ member: node.name, hash, compact: compact_revision });
    }
    return found;
  };
  // Hashes compare once all members have compacted equally far.
  const found = await eventually(async () => {
    const hashes = await look();
    if (new Set(hashes.map(({ compact }) => compact)).size > 1) {
      throw new Error("A member has not compacted yet");
    }
    return hashes;
  });
  for (const { member, hash } of found) {
    const at_ns = monotonicNs();
    append({
      type: "observation",
      what: "hash",
      at_ns,
      member,
      revision,
      hash: String(hash),
    });
  }
  const alarms = await etcdctl(endpoints, "alarm", "list");
  append({
    type: "observation",
    what: "alarms",
    at_ns: monotonicNs(),
    alarms: alarms.split("\n").filter((line) => line !== ""),
  });
}

/** Writes down, each second, which etcds there are; disposing ends it. */
export function scanProcesses(
  cluster: ClusterUnderTest,
  append: (record: HistoryRecord) => void,
): Disposable {
  const timer = setInterval(async () => {
    for (const { setting } of memberNodes(cluster)) {
      const dir = setting.etcdDir ?? "";
      append(processesOf(dir, await etcdsOn(dir), true));
    }
  }, 1_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** How long members may take to serve that are started without agents, in milliseconds. */
const START_MS = 60_000;

/** Options of {@linkcode endAndLook}. */
export interface EndOptions {
  /** Told of what is left. */
  readonly append: (record: HistoryRecord) => void;
  /** The lease, in milliseconds. */
  readonly leaseMs: number;
  /** The last revision that was recorded: the store must come back with it. */
  readonly revision: number;
  /** The directory of all data. */
  readonly dataDir: string;
}

/**
 * Ends the cluster in order, starts its members without agents, and writes
 * down which leases and keys are still there after a lease and 3 s; then which
 * processes are.
 */
export async function endAndLook(
  cluster: ClusterUnderTest,
  { append, leaseMs, revision, dataDir }: EndOptions,
): Promise<void> {
  const commands = await Promise.all(
    memberNodes(cluster).map(async (node) => ({
      node,
      command: await commandLine(await node.etcdPid()),
    })),
  );
  for (const candidate of cluster.candidates) {
    await candidate[Symbol.asyncDispose]();
  }
  await Promise.all(cluster.nodes.map((node) => node[Symbol.asyncDispose]()));
  for (const { setting } of memberNodes(cluster)) {
    const dir = setting.etcdDir ?? "";
    append(processesOf(dir, await etcdsOn(dir), false));
  }
  const sockets = await listening(cluster);
  const members = commands.map(({ node, command }) => {
    const { prefix = [] } = node.setting;
    const [program = "", ...args] = [...prefix, ...command];
    return new Deno.Command(program, {
      args,
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  });
  try {
    const endpoints = endpointsOf(cluster);
    // Members that start at once wait for each other's hashes before they serve.
    await eventually(() => etcdctl(endpoints, "endpoint", "health"), {
      withinMs: START_MS,
    });
    const { header } = await etcdctlJson(endpoints, "get", "none");
    for (const { name } of memberNodes(cluster)) {
      append({
        type: "observation",
        what: "high_water",
        at_ns: monotonicNs(),
        node: name,
        seen: revision,
        found: Number(header.revision),
        alarmed: false,
      });
    }
    await sleep(leaseMs + 3_000);
    const { leases } = await etcdctlJson(endpoints, "lease", "list");
    const keys = [];
    for (const prefix of [ELECTION_PREFIX, LEASED_PREFIX]) {
      const text = await etcdctl(
        endpoints,
        "get",
        "--prefix",
        "--keys-only",
        prefix,
      );
      keys.push(...text.split("\n").filter((line) => line !== ""));
    }
    append({
      type: "observation",
      what: "left",
      at_ns: monotonicNs(),
      leases: (leases ?? []).map((lease: { id: unknown }) => String(lease.id)),
      keys,
      sockets,
    });
  } finally {
    for (const member of members) {
      // One that found its port taken has ended by itself.
      signal(member.pid, "SIGKILL");
      await member.status;
    }
  }
  const pids = await processesNaming(dataDir);
  append(processesOf(dataDir, pids, false));
}

/** The members' ports that are still in use. */
async function listening(cluster: ClusterUnderTest): Promise<string[]> {
  const found: string[] = [];
  for (const endpoint of endpointsOf(cluster)) {
    const { hostname, port } = new URL(endpoint);
    try {
      (await Deno.connect({ hostname, port: Number(port) })).close();
      found.push(`${hostname}:${port}`);
    } catch {
      // It is free.
    }
  }
  return found;
}

function processesOf(
  dataDir: string,
  pids: readonly number[],
  allowed: boolean,
): HistoryRecord {
  return {
    type: "observation",
    what: "processes",
    at_ns: monotonicNs(),
    data_dir: dataDir,
    etcd_pids: [...pids],
    zombies: [],
    allowed,
  };
}
