/**
 * Injects the faults of a run, one after the other and sometimes two at once,
 * and records each with its proof.
 *
 * @module
 */

import { messageOf } from "../../src/base/errors.ts";
import { eventually } from "../machine/eventually.ts";
import type { CandidateProcess } from "./candidate_process.ts";
import type { ChaosNode } from "./chaos_node.ts";
import {
  type ClusterUnderTest,
  endpointsOf,
  etcdctl,
  memberNodes,
} from "./cluster_under_test.ts";
import { ADMIN_FAULTS } from "./admin_faults.ts";
import { DISK_FAULTS, NEEDS_DISK } from "./disk_faults.ts";
import type { FaultContext, FaultKind } from "./fault_kind.ts";
import type { HistoryRecord } from "../history/history.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";
import { NETWORK_FAULTS } from "./network_faults.ts";
import { NEEDS_PORT, PORT_FAULTS } from "./port_faults.ts";
import { NEEDS_MEMBER, PROCESS_FAULTS } from "./process_faults.ts";

/** Options of {@linkcode injectFaults}. */
export interface InjectionOptions
  extends Omit<FaultContext, "node" | "candidate"> {
  /** How many faults there are at least. */
  readonly faults: number;
  /** How long they go on at least, in milliseconds. */
  readonly ms: number;
  /** The pause after each, on average, in milliseconds. */
  readonly calmMs: number;
  /** Told of faults and of moments without any. */
  readonly append: (record: HistoryRecord) => void;
  /** Told of the progress, for people. */
  readonly log: (line: string) => void;
  /** Told of what no fault explains. */
  readonly incident: (line: string) => void;
  /** Ends the injection early. */
  readonly signal: AbortSignal;
}

/** Every kind there is. */
export const FAULT_KINDS: readonly FaultKind[] = [
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...DISK_FAULTS,
  ...ADMIN_FAULTS,
  ...PORT_FAULTS,
];

/** How long the cluster may take to recover from a fault, in milliseconds. */
export function recoveryBoundMs(
  { cluster, leaseMs }: Pick<FaultContext, "cluster" | "leaseMs">,
): number {
  // A member that ends again and again is started after 30 s at the latest;
  // without it, one of three still has two.
  return leaseMs + (cluster.members === 1 ? 45_000 : 15_000);
}

/** The most time for every member to answer again before the next fault. */
const RECOVERED_MS = 90_000;

/** Injects faults until there were enough. Resolves with the kinds that cannot be injected here, and why. */
export async function injectFaults(
  options: InjectionOptions,
): Promise<ReadonlyMap<string, string>> {
  const { cluster, random, signal } = options;
  const missing = new Map<string, string>();
  for (const { name, lacks } of FAULT_KINDS) {
    const what = lacks(cluster);
    if (what !== undefined) missing.set(name, what);
  }
  const kinds = FAULT_KINDS.filter(({ name }) => !missing.has(name));
  const endNs = monotonicNs() + options.ms * 1e6;
  let deck: FaultKind[] = [];
  let count = 0;
  while (
    !signal.aborted && (count < options.faults || monotonicNs() < endNs)
  ) {
    if (deck.length === 0) deck = random.shuffle(kinds);
    const first = deck.pop();
    if (first === undefined) break;
    const second = random.chance(0.25)
      ? deck.findLast(({ mild }) => mild && mild !== first.mild)
      : undefined;
    deck = deck.filter((kind) => kind !== second);
    const both = second === undefined ? [first] : [first, second];
    await injectAndRecover(both, options);
    count += both.length;
    // Agents do not resign by themselves; candidates do, and write as leaders.
    if (random.chance(AGENT_SHARE) && await agentLeads(options)) {
      await injectAndRecover([STOP_AGENT], options, { leader: true });
      count++;
    }
  }
  // An agent that runs the store is the first to campaign each time the store is
  // back, until the candidates have had time to queue.
  const patient = { ...options, calmMs: CLOSING_CALM_MS };
  for (const kind of CLOSING) {
    for (let stops = 0; stops < MOST_STOPS; stops++) {
      if (signal.aborted || !await agentLeads(options)) break;
      await injectAndRecover([STOP_AGENT], patient, { leader: true });
    }
    await injectAndRecover([kind], options, { leader: true });
  }
  return missing;
}

/** How often a leading agent is told to stop after a fault. */
const AGENT_SHARE = 0.3;
/** The pause, on average, after an agent was stopped so that a candidate leads, in milliseconds. */
const CLOSING_CALM_MS = 3_000;
/** After so many stops the run goes on, and is void if no candidate ever led. */
const MOST_STOPS = 10;
const STOP_AGENT = kindNamed("SIGTERM agent");
/** Without these no deposed leader tries to write, and the run shows nothing. */
const CLOSING = [
  kindNamed("block candidate past its lease"),
  kindNamed("freeze candidate past its lease"),
];

function kindNamed(wanted: string): FaultKind {
  const kind = FAULT_KINDS.find(({ name }) => name === wanted);
  if (!kind) throw new RangeError(`No fault is named "${wanted}"`);
  return kind;
}

async function agentLeads(
  { cluster, store }: InjectionOptions,
): Promise<boolean> {
  const leader = await store.getLeader().catch(() => undefined);
  return cluster.nodes.some(({ name }) => name === leader);
}

/** Injects one or two faults at once, and waits for the recovery. */
async function injectAndRecover(
  kinds: readonly FaultKind[],
  options: InjectionOptions,
  { leader = false }: { readonly leader?: boolean } = {},
): Promise<void> {
  options.log(kinds.map(({ name }) => name).join(" + "));
  await Promise.all(kinds.map((kind) => inflict(kind, options, leader)));
  options.append({
    type: "mark",
    name: "healed",
    at_ns: monotonicNs(),
    bound_ms: recoveryBoundMs(options),
  });
  await untilRecovered(options.cluster, options);
  const { calmMs, random } = options;
  await options.sleep(random.integer(calmMs / 3, calmMs * 5 / 3));
}

/** Waits until every member answers and there is a leader. */
export async function untilRecovered(
  cluster: ClusterUnderTest,
  { store, incident, signal }: Pick<
    InjectionOptions,
    "store" | "incident" | "signal"
  >,
): Promise<void> {
  try {
    await eventually(async () => {
      if (signal.aborted) return;
      await etcdctl(endpointsOf(cluster), "endpoint", "health");
      if (await store.getLeader() === undefined) throw new Error("No leader");
    }, { withinMs: RECOVERED_MS, everyMs: 250 });
  } catch (error) {
    incident(`The cluster did not recover within ${RECOVERED_MS} ms: ${error}`);
  }
}

async function inflict(
  kind: FaultKind,
  options: InjectionOptions,
  leader: boolean,
): Promise<void> {
  const { append, log, incident } = options;
  const start_ns = monotonicNs();
  const context = { ...options, ...await chooseTargets(kind, options, leader) };
  let target: readonly string[] = [context.node.name];
  let proof: string | null = null;
  try {
    ({ target, proof } = await kind.inflict(context));
  } catch (error) {
    // Its node reports an agent that ended without a fault.
    incident(`"${kind.name}" could not be done: ${messageOf(error)}`);
  }
  const end_ns = monotonicNs();
  append({
    type: "fault",
    kind: kind.name,
    target: [...target],
    start_ns,
    end_ns,
    proof,
  });
  const took = ((end_ns - start_ns) / 1e9).toFixed(1);
  log(`  ${kind.name}, ${target[0]}, ${took} s: ${proof ?? "no proof"}`);
}

/** Chooses the node and the candidate of a fault; the leader more often than others. */
async function chooseTargets(
  { name }: FaultKind,
  { cluster, random, store }: InjectionOptions,
  wantsLeader: boolean,
): Promise<{ readonly node: ChaosNode; readonly candidate: CandidateProcess }> {
  const needsMember = [NEEDS_MEMBER, NEEDS_DISK, NEEDS_PORT]
    .some((names) => names.has(name));
  const nodes = needsMember ? memberNodes(cluster) : cluster.nodes;
  const leader = await store.getLeader().catch(() => undefined);
  const prefer = wantsLeader || random.chance(0.7);
  const either = <T extends { readonly name: string }>(
    all: readonly T[],
  ): T => {
    const picked = random.pick(all);
    const leading = all.find((one) => one.name === leader);
    return prefer && leading ? leading : picked;
  };
  return { node: either(nodes), candidate: either(cluster.candidates) };
}
