/**
 * Faults of the disk: slow, failing, full, or full by etcd's own quota.
 *
 * @module
 */

import { StoreError } from "../../src/store/state_store.ts";
import { eventually } from "../machine/eventually.ts";
import { findProgram } from "../machine/command_output.ts";
import { endpointsOf, etcdctl, memberNodes } from "./cluster_under_test.ts";
import {
  type FaultContext,
  type FaultKind,
  type FaultResult,
  lacksNothing,
} from "./fault_kind.ts";
import { makeRoom } from "./make_room.ts";

const strace = await findProgram("strace");
/** Values of a fill; etcd refuses requests of more than 1.5 MiB. */
const FILL_BYTES = 2 ** 20;
/** Where the fill is written: where no watch looks, for it is large. */
const FILL_PREFIX = "/chaos-fill/";
/** How long the deletion of one of them is tried for, in milliseconds. */
const DELETION_MS = 60_000;

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
  // However slow: without the deletions every later write would fail.
  for (const key of written) {
    await eventually(() => store.delete(key, { timeoutMs: 5_000 }), {
      withinMs: DELETION_MS,
    });
  }
  await makeRoom(endpoints, { recorders, quotaBytes });
  const proof = alarms.includes("NOSPACE")
    ? alarms.replaceAll("\n", ", ")
    : null;
  return { target, proof };
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
];

/** Which of them are done to a node with a member. */
export const NEEDS_DISK: ReadonlySet<string> = new Set([
  "slow fsync",
  "fsync fails once",
]);
