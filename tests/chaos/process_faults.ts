/**
 * Faults of processes: killed, told to stop, frozen, busy.
 *
 * @module
 */

import { sleep } from "../machine/sleep.ts";
import type { ChaosNode } from "./chaos_node.ts";
import {
  type FaultContext,
  type FaultKind,
  type FaultResult,
  lacksNothing,
} from "./fault_kind.ts";
import { processState, signal } from "../machine/processes.ts";

/** How long a process stands still, as parts of a lease. */
const PAUSES = [0.04, 0.2, 0.5, 1.2, 3];

async function killAgent(
  { node, random, sleep }: FaultContext,
): Promise<FaultResult> {
  const proof = await node.end("SIGKILL");
  await sleep(random.integer(0, 2_000));
  node.start();
  return { target: [node.name], proof };
}

async function stopAgent(
  { node, random, sleep }: FaultContext,
): Promise<FaultResult> {
  const proof = await node.end("SIGTERM");
  await sleep(random.integer(0, 2_000));
  node.start();
  return { target: [node.name], proof };
}

async function killWhileStarting(
  { node, random, sleep }: FaultContext,
): Promise<FaultResult> {
  await node.end("SIGKILL");
  const afterMs = random.integer(0, 500);
  node.start();
  await sleep(afterMs);
  const proof = `${await node.end("SIGKILL")} ${afterMs} ms after its start`;
  node.start();
  return { target: [node.name], proof };
}

async function killEtcd({ node }: FaultContext): Promise<FaultResult> {
  const pid = await node.etcdPid();
  return { target: [node.name], proof: await killed(pid, "etcd") };
}

async function killBoth(
  { node, random, sleep }: FaultContext,
): Promise<FaultResult> {
  const pid = await node.etcdPid();
  const agent = node.end("SIGKILL");
  const etcd = await killed(pid, "etcd");
  const proof = `${await agent}, ${etcd}`;
  await sleep(random.integer(0, 2_000));
  node.start();
  return { target: [node.name], proof };
}

async function killCandidate(
  { candidate, random, sleep }: FaultContext,
): Promise<FaultResult> {
  const { pid } = candidate;
  await candidate.kill();
  const state = await processState(pid);
  await sleep(random.integer(0, 1_000));
  candidate.start();
  return {
    target: [candidate.name],
    proof: state === undefined ? `candidate ${pid} is gone` : null,
  };
}

/** Freezes processes of a node; the kernel's process state proves it. */
function pause(
  pidsOf: (node: ChaosNode) => Promise<number[]>,
): (context: FaultContext) => Promise<FaultResult> {
  return async ({ node, random, leaseMs, sleep }) => {
    const pids = await pidsOf(node);
    const ms = random.pick(PAUSES) * leaseMs;
    node.pause(pids, true);
    await sleep(ms);
    const states = await Promise.all(pids.map(processState));
    node.pause(pids, false);
    const stopped = states.every((state) => state === "T");
    return {
      target: pids.includes(node.agent.pid)
        ? [node.name, node.process]
        : [node.name],
      proof: stopped ? `${pids.join(", ")} in state T for ${ms} ms` : null,
    };
  };
}

async function pauseCandidate(
  { candidate, random, leaseMs, sleep }: FaultContext,
  parts = PAUSES,
): Promise<FaultResult> {
  const { pid } = candidate;
  const ms = random.pick(parts) * leaseMs;
  signal(pid, "SIGSTOP");
  await sleep(ms);
  const state = await processState(pid);
  signal(pid, "SIGCONT");
  return {
    target: [candidate.name, candidate.process],
    proof: state === "T" ? `${pid} in state T for ${ms} ms` : null,
  };
}

async function blockCandidate(
  { candidate, random, leaseMs }: FaultContext,
  parts = [0.3, 0.6, 0.9, 1.2, 1.6],
): Promise<FaultResult> {
  const ms = random.pick(parts) * leaseMs;
  const answer = await candidate.ask({ block: ms });
  return {
    target: [candidate.name, candidate.process],
    proof: answer?.type === "blocked"
      ? `no turn of its event loop for ${Math.round(answer.ms)} ms${
        answer.led
          ? ", between the check of the term and the guarded write"
          : ""
      }`
      : null,
  };
}

/** Kills a process and waits for its end; says that it is gone. */
export async function killed(pid: number, what: string): Promise<string> {
  signal(pid, "SIGKILL");
  while (![undefined, "Z"].includes(await processState(pid))) {
    await sleep(5);
  }
  return `${what} ${pid} is gone`;
}

/** All of them. */
export const PROCESS_FAULTS: readonly FaultKind[] = [
  { name: "kill agent", lacks: lacksNothing, inflict: killAgent },
  { name: "kill etcd", lacks: lacksNothing, inflict: killEtcd },
  { name: "kill agent and etcd", lacks: lacksNothing, inflict: killBoth },
  { name: "SIGTERM agent", lacks: lacksNothing, inflict: stopAgent },
  {
    name: "kill agent while it starts",
    lacks: lacksNothing,
    inflict: killWhileStarting,
  },
  {
    name: "kill candidate",
    mild: "candidate",
    lacks: lacksNothing,
    inflict: killCandidate,
  },
  {
    name: "freeze agent",
    lacks: lacksNothing,
    inflict: pause((node) => Promise.resolve([node.agent.pid])),
  },
  {
    name: "freeze etcd",
    lacks: lacksNothing,
    inflict: pause(async (node) => [await node.etcdPid()]),
  },
  {
    name: "freeze agent and etcd",
    lacks: lacksNothing,
    inflict: pause(async (node) => [node.agent.pid, await node.etcdPid()]),
  },
  {
    name: "freeze candidate",
    mild: "candidate",
    lacks: lacksNothing,
    inflict: (context) => pauseCandidate(context),
  },
  {
    name: "freeze candidate past its lease",
    mild: "candidate",
    lacks: lacksNothing,
    inflict: (context) => pauseCandidate(context, [1.2, 1.6, 3]),
  },
  {
    name: "block candidate's event loop",
    mild: "candidate",
    lacks: lacksNothing,
    inflict: (context) => blockCandidate(context),
  },
  {
    name: "block candidate past its lease",
    mild: "candidate",
    lacks: lacksNothing,
    inflict: (context) => blockCandidate(context, [1.2, 1.6]),
  },
];

/** Which of them are done to a node with a member. */
export const NEEDS_MEMBER: ReadonlySet<string> = new Set([
  "kill etcd",
  "kill agent and etcd",
  "freeze etcd",
  "freeze agent and etcd",
]);
