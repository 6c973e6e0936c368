/**
 * What a run took: terms, hand-overs, times without a leader.
 *
 * @module
 */

import type { Fault, History, Probe } from "../history/history.ts";

/** A time during which a node or candidate believed to lead. */
export interface BelievedTerm {
  /** The life of an agent or candidate. */
  readonly node: string;
  /** The fence. */
  readonly token: number;
  /** When it first said so. */
  readonly beginNs: number;
  /** When it last said so. */
  readonly endNs: number;
}

/** Times in milliseconds. */
export interface Times {
  /** How many there are. */
  readonly count: number;
  /** The median. */
  readonly p50: number;
  /** 99 of 100 took no longer. */
  readonly p99: number;
  /** The longest. */
  readonly max: number;
}

/** The figures of a run. */
export interface Measures {
  /** Terms of agents and candidates, in order. */
  readonly terms: readonly BelievedTerm[];
  /** From a fault of the leader to the next term, by kind of fault. */
  readonly failovers: ReadonlyMap<string, Times>;
  /** From a resignation to the next term. */
  readonly handOvers: Times;
  /** The share of the run without a believed leader, 0 to 1. */
  readonly leaderless: number;
  /** Operations of all kinds by outcome. */
  readonly outcomes: Readonly<Record<"ok" | "fail" | "unknown", number>>;
  /** Operations per second before the first fault. */
  readonly rateBefore: number;
  /** How long the traffic went on, in milliseconds. */
  readonly tookMs: number;
}

/** The end of a candidate's term by its own choice. */
export interface Resignation {
  /** When. */
  readonly atNs: number;
  /** Its fence. */
  readonly token: number;
}

/** Takes the figures of a history. */
export function measure(
  history: History,
  resignations: readonly Resignation[],
): Measures {
  const { probes, faults, operations, marks } = history;
  const terms = believedTerms(probes);
  const startNs = marks.find(({ name }) => name === "start")?.at_ns ?? 0;
  const endNs = marks.findLast(({ name }) => name === "end")?.at_ns ?? startNs;
  const outcomes = { ok: 0, fail: 0, unknown: 0 };
  for (const { outcome } of operations) outcomes[outcome]++;
  const firstFaultNs = Math.min(endNs, ...faults.map((one) => one.start_ns));
  const before = operations.filter(({ return_ns, outcome }) =>
    outcome === "ok" && return_ns !== null && return_ns < firstFaultNs
  );
  return {
    terms,
    failovers: failoversOf(terms, faults),
    handOvers: timesOf(
      resignations.flatMap(({ atNs, token }) => {
        const next = terms.find((term) => term.token > token);
        return next ? [(next.beginNs - atNs) / 1e6] : [];
      }),
    ),
    leaderless: 1 - covered(terms, startNs, endNs) / (endNs - startNs),
    outcomes,
    rateBefore: before.length / ((firstFaultNs - startNs) / 1e9),
    tookMs: (endNs - startNs) / 1e6,
  };
}

function believedTerms(probes: readonly Probe[]): BelievedTerm[] {
  const terms = new Map<string, BelievedTerm>();
  for (const { node, token, leads, asked_ns, answered_ns } of probes) {
    if (!leads || token === undefined) continue;
    const name = `${node} ${token}`;
    const known = terms.get(name);
    terms.set(name, {
      node,
      token,
      beginNs: Math.min(known?.beginNs ?? Infinity, answered_ns),
      endNs: Math.max(known?.endNs ?? 0, asked_ns),
    });
  }
  return [...terms.values()].sort((one, other) => one.token - other.token);
}

/** How long after a fault of a leader the next term began. */
function failoversOf(
  terms: readonly BelievedTerm[],
  faults: readonly Fault[],
): Map<string, Times> {
  const all = new Map<string, number[]>();
  for (const { kind, target, start_ns, end_ns, proof } of faults) {
    if (proof === null || end_ns === null) continue;
    const hit = terms.find(({ node, beginNs, endNs }) =>
      beginNs <= start_ns && endNs >= start_ns - 200e6 &&
      target.includes(node.split("#")[0] ?? "")
    );
    const next = hit && terms.find(({ token }) => token > hit.token);
    // A leader that outlived the fault and led on was not replaced because of it.
    if (!hit || !next || hit.endNs > end_ns + 1e9) continue;
    const times = all.get(kind) ?? [];
    times.push((next.beginNs - start_ns) / 1e6);
    all.set(kind, times);
  }
  return new Map([...all].map(([kind, times]) => [kind, timesOf(times)]));
}

function timesOf(values: readonly number[]): Times {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number) =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function covered(
  terms: readonly BelievedTerm[],
  fromNs: number,
  toNs: number,
): number {
  let sum = 0;
  let reachedNs = fromNs;
  const sorted = terms.toSorted((one, other) => one.beginNs - other.beginNs);
  for (const { beginNs, endNs } of sorted) {
    const begin = Math.max(beginNs, reachedNs);
    const end = Math.min(endNs, toNs);
    if (end <= begin) continue;
    sum += end - begin;
    reachedNs = end;
  }
  return sum;
}
