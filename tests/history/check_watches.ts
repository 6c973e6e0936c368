/**
 * I5: what each watcher saw is what happened: in order, once, whole, without a
 * gap across reconnects, from where it asked to start, with what was before.
 *
 * @module
 */

import { type Change, concerns, GroundTruth } from "./ground_truth.ts";
import type { History, Operation, WatchRecord } from "./history.ts";
import { branchesOf, putsOf } from "./effects.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** One watcher's records of one kind. */
export type Opened = Extract<WatchRecord, { what: "opened" }>;
/** An event that a watcher was given. */
export type Delivered = Extract<WatchRecord, { what: "event" }>;

/** What one watcher did. */
export interface Watcher {
  /** When and from where. */
  readonly opened: Opened;
  /** Everything after, in the order of delivery. */
  readonly records: readonly WatchRecord[];
}

/** Sorts records by watcher. */
export function watchersOf(
  records: readonly WatchRecord[],
): Map<string, Watcher> {
  const watchers = new Map<
    string,
    { opened: Opened; records: WatchRecord[] }
  >();
  for (const record of records) {
    if (record.what === "opened") {
      watchers.set(record.watcher, { opened: record, records: [] });
    } else watchers.get(record.watcher)?.records.push(record);
  }
  return watchers;
}

/** Holds each watcher's events against the slice of the ground truth that was its to see. */
export function checkWatches(
  history: History,
  truth: GroundTruth = new GroundTruth(history),
): Verdict {
  const findings = new Findings();
  if (truth.to === 0) {
    return findings.verdict({ void: "The recorder certifies nothing" });
  }
  const writers = writersByRevision(history.operations, truth);
  let events = 0;
  for (const watcher of watchersOf(history.watches).values()) {
    findings.checked += 1;
    const delivered = watcher.records.filter((record) =>
      record.what === "event"
    );
    events += delivered.length;
    const isInOrder = checkOrder(watcher, findings) &&
      checkContents(delivered, truth, findings);
    if (isInOrder) checkGaps(watcher, { delivered, truth, writers, findings });
  }
  return findings.verdict({ figures: { events } });
}

/** Ordered, unique, and nothing below what a progress report had promised. */
function checkOrder(
  { opened, records }: Watcher,
  findings: Findings,
): boolean {
  let revision = opened.from_revision;
  let reported = 0;
  let keys = new Set<string>();
  for (const record of records) {
    if (record.what === "progress") {
      reported = Math.max(reported, record.revision);
    }
    if (record.what !== "event") continue;
    const what = `${record.watcher} was given ${
      JSON.stringify(record.key)
    } at ${record.revision}`;
    if (!concerns(opened.key, record.key)) {
      findings.add(`${what}, which it does not watch`);
      return false;
    }
    if (record.revision < revision) {
      findings.add(`${what} after revision ${revision}`);
      return false;
    }
    if (record.revision <= reported) {
      findings.add(`${what} after a report of progress up to ${reported}`);
      return false;
    }
    if (record.revision > revision) keys = new Set();
    if (keys.has(record.key)) {
      findings.add(`${what} twice`);
      return false;
    }
    keys.add(record.key);
    revision = record.revision;
  }
  return true;
}

/** Each event is one that happened, with what was before. */
function checkContents(
  delivered: readonly Delivered[],
  truth: GroundTruth,
  findings: Findings,
): boolean {
  for (const { watcher, key, revision, event, value, prev } of delivered) {
    if (revision > truth.to) {
      findings.undecided += 1;
      continue;
    }
    const change = truth.last(key, revision);
    const what = `${watcher} was given a ${event} of ${
      JSON.stringify(key)
    } at ${revision}`;
    if (
      change?.mod_revision !== revision || change.event !== event ||
      change.value !== value
    ) {
      findings.add(`${what} that did not happen`);
      return false;
    }
    if (prev === undefined) continue;
    const isRight = (prev?.value ?? null) === change.prev_value &&
      (prev?.version ?? 0) === change.prev_version;
    if (!isRight) {
      findings.add(
        `${what} said to replace ${
          prev?.value ?? null
        }, not ${change.prev_value}`,
      );
      return false;
    }
  }
  return true;
}

/** Between its start and the last it was given, nothing is missing. */
function checkGaps(
  { opened, records }: Watcher,
  { delivered, truth, writers, findings }: {
    readonly delivered: readonly Delivered[];
    readonly truth: GroundTruth;
    readonly writers: ReadonlyMap<number, Operation>;
    readonly findings: Findings;
  },
): void {
  const seen = new Set<string>();
  for (const { key, revision } of delivered) {
    seen.add(`${revision} ${key}`);
    if (!isBefore(revision, { opened, writers })) continue;
    findings.add(
      `${opened.watcher} was given revision ${revision}, done before it began`,
    );
    return;
  }
  let reported = 0;
  for (const record of records) {
    if (record.what === "progress") reported = record.revision;
  }
  const last = delivered.at(-1)?.revision ?? 0;
  // A reader may stop in the middle of the last revision.
  const to = Math.max(last - 1, reported);
  // A watch from now does not deliver what the recorder had before it was opened.
  const start = opened.from_revision > 0 ? 0 : opened.asked_ns;
  for (const change of truth.changes) {
    const { key, mod_revision } = change;
    if (mod_revision > to) break;
    if (change.at_ns < start || mod_revision < opened.from_revision) continue;
    if (!concerns(opened.key, key)) continue;
    if (seen.has(`${mod_revision} ${key}`)) continue;
    if (!isOwed(change, { opened, delivered, writers })) continue;
    findings.add(
      `${opened.watcher} was not given the ${change.event} of ${
        JSON.stringify(key)
      } at ${mod_revision}`,
    );
    return;
  }
}

/** Whether a change lies after the start of a watch, as far as that is known. */
function isOwed(
  change: Change,
  { opened, delivered, writers }: {
    readonly opened: Opened;
    readonly delivered: readonly Delivered[];
    readonly writers: ReadonlyMap<number, Operation>;
  },
): boolean {
  if (opened.from_revision > 0) {
    return change.mod_revision >= opened.from_revision;
  }
  const first = delivered[0]?.revision ?? Infinity;
  if (change.mod_revision > first) return true;
  const writer = writers.get(change.mod_revision);
  return writer !== undefined && writer.call_ns >= opened.at_ns;
}

/** Whether a change was acknowledged before a watch from now was asked for. */
function isBefore(
  revision: number,
  { opened, writers }: {
    readonly opened: Opened;
    readonly writers: ReadonlyMap<number, Operation>;
  },
): boolean {
  if (opened.from_revision > 0) return false;
  const writer = writers.get(revision);
  return writer?.outcome === "ok" &&
    (writer.return_ns ?? Infinity) < opened.asked_ns;
}

function writersByRevision(
  operations: readonly Operation[],
  truth: GroundTruth,
): Map<number, Operation> {
  const writers = new Map<number, Operation>();
  for (const operation of operations) {
    for (const branch of branchesOf(operation)) {
      for (const { key, value } of putsOf(branch)) {
        const [change] = truth.wrote(key, value);
        if (change) writers.set(change.mod_revision, operation);
      }
    }
  }
  return writers;
}
