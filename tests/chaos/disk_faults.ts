/**
 * Faults of the disk: slow, failing, full, or full by etcd's own quota; and a
 * wall clock that jumps.
 *
 * @module
 */

import { StoreError } from "../../src/store/state_store.ts";
import { findProgram } from "./command.ts";
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

const strace = await findProgram("strace");
const HOUR_MS = 3_600_000;
/** Values of a fill; etcd refuses requests of more than 1.5 MiB. */
const FILL_BYTES = 2 ** 20;
/** Where the fill is written: where no watch looks, for it is large. */
const FILL_PREFIX = "/chaos-fill/";

/** Lets the kernel answer etcd's fdatasync late or with an error, by strace. */
function onSync(
  injection: (context: FaultContext) => string,
): (context: FaultContext) => Promise<FaultResult> {
  return async (context) => {
    const { node, random, sleep } = context;
    const pid = await node.etcdPid();
    const child = new Deno.Command(strace ?? "strace", {
      args: [
        "--follow-forks",
        `--attach=${pid}`,
        "--trace=fdatasync",
        `--inject=fdatasync:${injection(context)}`,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const printed = new Response(child.stderr).text();
    await sleep(random.integer(3_000, 8_000));
    try {
      child.kill("SIGINT");
    } catch {
      // etcd ended, and strace with it.
    }
    const text = await printed;
    await child.status;
    const count = text.match(/\((?:DELAYED|INJECTED)\)/g)?.length ?? 0;
    return {
      target: [node.name],
      proof: count > 0 ? `${count} calls of fdatasync changed` : null,
    };
  };
}

/** Takes all space on the small disk of one node. */
async function fillDisk(
  { cluster, random, sleep }: FaultContext,
): Promise<FaultResult> {
  const { smallDisk } = cluster;
  if (!smallDisk) return { target: [], proof: null };
  const path = `${smallDisk.path}/filling`;
  let bytes = 0;
  let proof: string | null = null;
  const file = await Deno.open(path, { create: true, write: true });
  try {
    for (const size of [2 ** 20, 2 ** 12]) {
      const piece = new Uint8Array(size);
      while (bytes < 2 ** 32) bytes += await file.write(piece);
    }
  } catch (error) {
    proof = `after ${bytes} bytes: ${(error as Error).message}`;
    // The last pieces as well.
    const piece = new Uint8Array(2 ** 12);
    try {
      while (bytes < 2 ** 32) bytes += await file.write(piece);
    } catch {
      // Not a page is left.
    }
  }
  file.close();
  await sleep(random.integer(2_000, 8_000));
  await Deno.remove(path);
  return { target: [smallDisk.node], proof };
}

/** Writes until etcd says that its quota is reached, then makes room again. */
async function reachQuota(
  { cluster, store, quotaBytes, recorders, sleep, random }: FaultContext,
): Promise<FaultResult> {
  const endpoints = endpointsOf(cluster);
  const target = memberNodes(cluster).map(({ name }) => name);
  const value = new Uint8Array(FILL_BYTES);
  const mark = random.integer(0, 2 ** 31);
  const written: string[] = [];
  let refused: string | undefined;
  for (let number = 0; number < 2 * quotaBytes / FILL_BYTES; number++) {
    const key = `${FILL_PREFIX}${mark}/${number}`;
    written.push(key);
    value.set(new TextEncoder().encode(key));
    try {
      await store.put(key, value, { timeoutMs: 5_000 });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (/space/.test(error.message)) refused = error.message;
      if (refused !== undefined) break;
    }
  }
  const alarms = await etcdctl(endpoints, "alarm", "list");
  await sleep(2_000);
  for (const key of written) await store.delete(key, { timeoutMs: 5_000 });
  await makeRoom(endpoints, Math.min(...recorders.map((one) => one.revision)));
  const proof = alarms.includes("NOSPACE")
    ? alarms.replaceAll("\n", ", ")
    : null;
  return { target, proof };
}

/** Compacts, defragments each member, and ends the alarm. */
async function makeRoom(
  endpoints: readonly string[],
  recorded: number,
): Promise<void> {
  await etcdctl(endpoints, "compact", "--physical", String(recorded));
  for (const endpoint of endpoints) {
    await etcdctl([endpoint], "defrag", "--command-timeout=60s");
  }
  await etcdctl(endpoints, "alarm", "disarm");
}

async function stepClock(
  { cluster, random, sleep }: FaultContext,
): Promise<FaultResult> {
  const candidate = cluster.candidates.find(({ name }) => name === "c3");
  const target = ["n3", "c3"];
  if (!cluster.clockFile || !candidate) return { target, proof: null };
  const sign = random.pick(["+", "-"]);
  // Renamed, so that nobody reads half of it.
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
  const endpoints = endpointsOf(cluster);
  const target = memberNodes(cluster).map(({ name }) => name);
  const [{ Status }] = await etcdctlJson(
    endpoints.slice(0, 1),
    "endpoint",
    "status",
  );
  const other = Status.header.member_id === Status.leader
    ? await memberOf(endpoints[1] ?? "")
    : Status.header.member_id;
  // Only the leader itself takes the command, so it is sent to all.
  const answer = await etcdctl(
    endpoints,
    "move-leader",
    BigInt(other).toString(16),
  ).catch(() => null);
  return { target, proof: answer };
}

async function memberOf(endpoint: string): Promise<bigint> {
  const [{ Status }] = await etcdctlJson([endpoint], "endpoint", "status");
  return Status.header.member_id;
}

/** All of them. */
export const DISK_FAULTS: readonly FaultKind[] = [
  {
    name: "slow fsync",
    lacks: () => strace === undefined ? "strace" : undefined,
    inflict: onSync(({ random }) =>
      `delay_enter=${random.pick([0.2, 0.7, 2]) * 1e6}`
    ),
  },
  {
    name: "fsync fails once",
    lacks: () => strace === undefined ? "strace" : undefined,
    inflict: onSync(() => "error=EIO:when=1"),
  },
  {
    name: "disk full",
    lacks: ({ smallDisk }) =>
      smallDisk === undefined ? "a disk of its own for a node" : undefined,
    inflict: fillDisk,
  },
  { name: "quota reached", lacks: lacksNothing, inflict: reachQuota },
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

/** Which of them are done to a node with a member. */
export const NEEDS_DISK: ReadonlySet<string> = new Set([
  "slow fsync",
  "fsync fails once",
]);
