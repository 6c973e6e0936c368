/**
 * I13, I14, I16, I17 and I20: what was measured beside the traffic.
 *
 * @module
 */

import type { History, Observation } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

type Measured = Pick<History, "observations">;

function of<What extends Observation["what"]>(
  { observations }: Measured,
  what: What,
): Extract<Observation, { what: What }>[] {
  return observations.filter((one): one is Extract<
    Observation,
    { what: What }
  > => one.what === what);
}

function verdictOf(findings: Findings): Verdict {
  return findings.verdict({
    void: findings.checked === 0 ? "Nothing was measured" : undefined,
  });
}

/** I13: when all processes have ended, no lease, leased key or socket is left. */
export function checkNothingLeft(history: Measured): Verdict {
  const findings = new Findings();
  for (const { leases, keys, sockets } of of(history, "left")) {
    findings.checked += 1;
    const left = Object.entries({ leases, keys, sockets })
      .filter(([, names]) => names.length > 0);
    for (const [what, names] of left) {
      findings.add(`${what} are left: ${names.join(", ")}`);
    }
  }
  return verdictOf(findings);
}

/** I14: one etcd for each data directory, none where none may be, no zombie. */
export function checkProcesses(history: Measured): Verdict {
  const findings = new Findings();
  for (const scan of of(history, "processes")) {
    findings.checked += 1;
    const { data_dir, etcd_pids, zombies, allowed } = scan;
    if (etcd_pids.length > (allowed ? 1 : 0)) {
      findings.add(`${data_dir} has etcd processes ${etcd_pids.join(", ")}`);
    }
    if (zombies.length > 0) {
      findings.add(`${data_dir} has zombies ${zombies.join(", ")}`);
    }
  }
  return verdictOf(findings);
}

/** I16: a store that came back with less than was seen is refused, or an alarm. */
export function checkHighWater(history: Measured): Verdict {
  const findings = new Findings();
  for (const { node, seen, found, alarmed } of of(history, "high_water")) {
    findings.checked += 1;
    if (found < seen && !alarmed) {
      findings.add(
        `${node} had seen revision ${seen} and went on silently at ${found}`,
      );
    }
  }
  return verdictOf(findings);
}

/** I17: at one revision all members hold the same, and no alarm is up. */
export function checkConvergence(history: Measured): Verdict {
  const findings = new Findings();
  const first = new Map<number, { member: string; hash: string }>();
  let compared = 0;
  for (const { member, revision, hash } of of(history, "hash")) {
    const other = first.get(revision);
    if (other === undefined) {
      first.set(revision, { member, hash: String(hash) });
      continue;
    }
    compared += 1;
    if (other.hash !== String(hash)) {
      findings.add(
        `${other.member} and ${member} differ at revision ${revision}`,
      );
    }
  }
  const hashes = of(history, "hash").length;
  // A single member has no other to differ from.
  const isAlone = first.size === hashes && hashes > 0 &&
    new Set(of(history, "hash").map(({ member }) => member)).size === 1;
  if (!isAlone && hashes > 0 && compared === 0) findings.undecided += 1;
  findings.checked = hashes;
  for (const { alarms } of of(history, "alarms")) {
    for (const alarm of alarms) findings.add(`The alarm ${alarm} is up`);
  }
  return verdictOf(findings);
}

/** Options of {@linkcode checkBounded}. */
export interface BoundedOptions {
  /** The share at the beginning that is not looked at: caches fill. @default {0.25} */
  readonly warmUp?: number;
  /** The growth over the rest that is still taken for noise, as a share of the median. @default {0.1} */
  readonly growth?: number;
}

/** Fewer say nothing about a slope. */
const FEWEST_FIGURES = 12;
/** As many as the slope is taken from: it costs their square. */
const MOST_FIGURES = 300;

/**
 * I20: no figure grows. The slope is Theil and Sen's: the median over all pairs,
 * which a third of outliers cannot move.
 */
export function checkBounded(
  history: Measured,
  { warmUp = 0.25, growth = 0.1 }: BoundedOptions = {},
): Verdict {
  const findings = new Findings();
  const series = Map.groupBy(
    of(history, "figure"),
    ({ node, figure }) => `${figure} of ${node}`,
  );
  for (const [name, all] of series) {
    findings.checked += 1;
    const sorted = all.toSorted((a, b) => a.at_ns - b.at_ns);
    const rest = sorted.slice(Math.floor(sorted.length * warmUp));
    if (rest.length < FEWEST_FIGURES) {
      findings.undecided += 1;
      continue;
    }
    const step = Math.ceil(rest.length / MOST_FIGURES);
    const points = rest.filter((_one, index) => index % step === 0);
    const spanNs = (points.at(-1)?.at_ns ?? 0) - (points[0]?.at_ns ?? 0);
    const grown = slope(points) * spanNs;
    const usual = median(points.map(({ value }) => value));
    if (grown > growth * usual && grown > 0) {
      findings.add(`${name} grew by ${Math.round(grown)} around ${usual}`);
    }
  }
  return verdictOf(findings);
}

function slope(
  points: readonly { readonly at_ns: number; readonly value: number }[],
): number {
  const slopes: number[] = [];
  points.forEach((a, index) => {
    for (const b of points.slice(index + 1)) {
      if (b.at_ns > a.at_ns) {
        slopes.push((b.value - a.value) / (b.at_ns - a.at_ns));
      }
    }
  });
  return slopes.length === 0 ? 0 : median(slopes);
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
