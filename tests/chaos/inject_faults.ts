/**
 * The faults of a run, one after the other and now and then two at once, each
 * written down with its proof.
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
import { NEEDS_MEMBER, PROCESS_FAULTS } from "./process_faults.ts";

/** Options of {@linkcode runStorm}. */
export interface StormOptions extends Omit<FaultContext, "node" | "candidate"> {
  /** How many faults there are at least. */
  readonly faults: number;
  /** How long they go on at least, in milliseconds. */
  readonly ms: number;
  /** How long it is calm after each, on average, in milliseconds. */
  readonly calmMs: number;
  /** Told of faults and of moments without any. */
  readonly append: (record: HistoryRecord) => void;
  /** Told in words how it goes. */
  readonly log: (line: string) => void;
  /** Told of what should not have happened. */
  readonly incident: (line: string) => void;
  /** Ends the storm early. */
  readonly signal: AbortSignal;
}

/** Every kind there is. */
export const FAULT_KINDS: readonly FaultKind[] = [
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...DISK_FAULTS,
  ...ADMIN_FAULTS,
];

/** How long the cluster may take to be whole again after a fault, in milliseconds. */
export function healingBoundMs(
  { cluster, leaseMs }: Pick<FaultContext, "cluster" | "leaseMs">,
): number {
  // A member that ends again and again is started after 30 s at the latest;
  // without it, one of three still has two.
  return leaseMs + (cluster.members === 1 ? 45_000 : 15_000);
}

/** How long every member may take to answer again before no further fault is done. */
const WHOLE_MS = 90_000;

/** Does faults until there were enough. Resolves with the kinds that could not be done, and why. */
export async function runStorm(
  options: StormOptions,
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
    await strike(both, options);
    count += both.length;
    // Agents keep what they have; candidates resign, and do what leaders do.
    if (random.chance(AGENT_SHARE) && await agentLeads(options)) {
      await strike([STOP_AGENT], options, { leader: true });
      count++;
    }
  }
  // Whoever brings the store along is there first each time it comes back, until
  // the others have had time to stand in line.
  const patient = { ...options, calmMs: CLOSING_CALM_MS };
  for (const kind of CLOSING) {
    for (let stops = 0; stops < MOST_STOPS; stops++) {
      if (signal.aborted || !await agentLeads(options)) break;
      await strike([STOP_AGENT], patient, { leader: true });
    }
    await strike([kind], options, { leader: true });
  }
  return missing;
}

/** How often a leading agent is told to stop after a fault. */
const AGENT_SHARE = 0.3;
/** How long it is calm, on average, after an agent was stopped for a candidate to lead, in milliseconds. */
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

async function agentLeads({ cluster, store }: StormOptions): Promise<boolean> {
  const leader = await store.getLeader().catch(() => undefined);
  return cluster.nodes.some(({ name }) => name === leader);
}

/** One or two faults at once, and the healing. */
async function strike(
  kinds: readonly FaultKind[],
  options: StormOptions,
  { leader = false }: { readonly leader?: boolean } = {},
): Promise<void> {
  options.log(kinds.map(({ name }) => name).join(" + "));
  await Promise.all(kinds.map((kind) => inflict(kind, options, leader)));
  options.append({
    type: "mark",
    name: "healed",
    at_ns: monotonicNs(),
    bound_ms: healingBoundMs(options),
  });
  await untilWhole(options.cluster, options);
  const { calmMs, random } = options;
  await options.sleep(random.integer(calmMs / 3, calmMs * 5 / 3));
}

/** Waits until every member answers and somebody leads. */
export async function untilWhole(
  cluster: ClusterUnderTest,
  { store, incident, signal }: Pick<
    StormOptions,
    "store" | "incident" | "signal"
  >,
): Promise<void> {
  try {
    await eventually(async () => {
      if (signal.aborted) return;
      await etcdctl(endpointsOf(cluster), "endpoint", "health");
      if (await store.getLeader() === undefined) throw new Error("No leader");
    }, { withinMs: WHOLE_MS, everyMs: 250 });
  } catch (error) {
    incident(`The cluster was not whole within ${WHOLE_MS} ms: ${error}`);
  }
}

async function inflict(
  kind: FaultKind,
  options: StormOptions,
  leader: boolean,
): Promise<void> {
  const { append, log, incident } = options;
  const start_ns = monotonicNs();
  const context = { ...options, ...await victims(kind, options, leader) };
  let target: readonly string[] = [context.node.name];
  let proof: string | null = null;
  try {
    ({ target, proof } = await kind.inflict(context));
  } catch (error) {
    // An agent that is gone without our doing is told by its node.
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

/** Chooses whom a fault is done to: more often whoever leads than somebody else. */
async function victims(
  { name }: FaultKind,
  { cluster, random, store }: StormOptions,
  wantsLeader: boolean,
): Promise<{ readonly node: ChaosNode; readonly candidate: CandidateProcess }> {
  const nodes = NEEDS_MEMBER.has(name) || NEEDS_DISK.has(name)
    ? memberNodes(cluster)
    : cluster.nodes;
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
