/**
 * I8: at no moment do two nodes believe that they lead.
 *
 * A node that said "yes" in one term twice believed it in between. That alone is
 * certain: when the node changed its answer, between question and answer, is
 * unknown.
 *
 * @module
 */

import type { Fault, History, Probe } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** When a node believed that it leads, in one term. */
interface Belief {
  readonly node: string;
  readonly token: number | undefined;
  /** Question and answer of the first "yes". */
  readonly first: Probe;
  /** Question and answer of the last. */
  last: Probe;
}

/** Faults whose target does not run while they last. */
const PAUSES = /^(pause|stop|freeze|sigstop)/i;

/** Finds beliefs that overlap, and nodes that wake up from a pause still believing. */
export function checkBelievers(
  { probes, faults, header }: Pick<History, "probes" | "faults" | "header">,
): Verdict {
  const findings = new Findings();
  const beliefs = beliefsOf(probes).sort((a, b) =>
    a.first.answered_ns - b.first.answered_ns
  );
  let [sumMs, mostMs, possibleMs] = [0, 0, 0];
  for (let index = 0; index < beliefs.length; index++) {
    const one = beliefs[index] as Belief;
    for (let next = index + 1; next < beliefs.length; next++) {
      const other = beliefs[next] as Belief;
      if (other.node === one.node) continue;
      const possible = overlap(outer(one), outer(other));
      possibleMs = Math.max(possibleMs, possible / 1e6);
      const certain = overlap(inner(one), inner(other));
      if (certain <= 0) continue;
      sumMs += certain / 1e6;
      mostMs = Math.max(mostMs, certain / 1e6);
      findings.add(
        `${one.node} (term ${one.token}) and ${other.node} (term ${other.token}) ` +
          `both believed to lead for ${certain / 1e6} ms`,
      );
    }
  }
  for (const fault of faults) {
    checkWaking(fault, { probes, ttlMs: header.lease_ttl_ms, findings });
  }
  findings.checked = probes.length;
  return findings.verdict({
    void: beliefs.length === 0 ? "No node ever said that it leads" : undefined,
    figures: {
      overlap_sum_ms: sumMs,
      overlap_max_ms: mostMs,
      overlap_possible_ms: Math.max(0, possibleMs),
    },
  });
}

/** The first answer after a pause longer than the lease must not be that of the term before. */
function checkWaking(
  { kind, target, start_ns, end_ns, proof }: Fault,
  { probes, ttlMs, findings }: {
    readonly probes: readonly Probe[];
    readonly ttlMs: number;
    readonly findings: Findings;
  },
): void {
  if (!PAUSES.test(kind) || proof === null || end_ns === null) return;
  if (end_ns - start_ns < ttlMs * 1e6) return;
  for (const node of target) {
    const own = probes.filter((probe) => probe.node === node);
    const before = own.filter(({ answered_ns }) => answered_ns <= start_ns)
      .at(-1);
    const after = own.find(({ answered_ns }) => answered_ns >= end_ns);
    if (!before?.leads || !after?.leads) continue;
    if (before.token !== after.token) continue;
    findings.add(
      `${node} still believed in term ${before.token} after a ${kind} of ${
        (end_ns - start_ns) / 1e6
      } ms, longer than its lease`,
    );
  }
}

function beliefsOf(probes: readonly Probe[]): Belief[] {
  const beliefs: Belief[] = [];
  const current = new Map<string, Belief>();
  for (const probe of probes.toSorted((a, b) => a.asked_ns - b.asked_ns)) {
    const belief = current.get(probe.node);
    if (!probe.leads) current.delete(probe.node);
    else if (belief && belief.token === probe.token) belief.last = probe;
    else {
      const { node, token } = probe;
      const begun: Belief = { node, token, first: probe, last: probe };
      current.set(node, begun);
      beliefs.push(begun);
    }
  }
  return beliefs;
}

interface Interval {
  readonly from: number;
  readonly to: number;
}

/** In this time it believed for certain; empty if it said "yes" only once. */
function inner({ first, last }: Belief): Interval {
  return { from: first.answered_ns, to: last.asked_ns };
}

/** Outside of this time it did not say that it believes. */
function outer({ first, last }: Belief): Interval {
  return { from: first.asked_ns, to: last.answered_ns };
}

function overlap(a: Interval, b: Interval): number {
  return Math.min(a.to, b.to) - Math.max(a.from, b.from);
}
