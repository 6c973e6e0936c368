/**
 * I4: strict serializability by etcd's own revisions. It sees what the search
 * per key cannot: lists, transactions on several keys, and long histories. It
 * trusts the revisions, which the search does not.
 *
 * @module
 */

import { type Branch, branchesOf, putsOf } from "./effects.ts";
import { type Change, GroundTruth } from "./ground_truth.ts";
import type { History, KeyValue, Operation, OperationOf } from "./history.ts";
import {
  anyOf,
  type NextRevision,
  only,
  sweepRevisions,
  type SweptOperation,
} from "./revision_sweep.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** Holds every answer against the state at a revision, and the revisions against time. */
export function checkRevisions(
  history: History,
  truth: GroundTruth = new GroundTruth(history),
): Verdict {
  const findings = new Findings();
  if (truth.to === 0) {
    return findings.verdict({ void: "The recorder certifies nothing" });
  }
  const swept: SweptOperation[] = [];
  for (const operation of history.operations) {
    const one = toSwept(operation, truth, findings);
    if (one) swept.push(one);
  }
  findings.checked = swept.length;
  for (const { operation, after, floor } of sweepRevisions(swept)) {
    findings.add(
      after
        ? `Its answer contradicts revision ${floor}, which ${after.id} had shown before it was called`
        : "Its answer is right at no revision",
      operation.id,
      ...(after ? [after.id] : []),
    );
  }
  checkUniqueWrites(history.operations, findings);
  checkHeaders(history.operations, findings);
  return findings.verdict();
}

/** The operation as something with a revision; undefined if nothing is known of it. */
export function toSwept(
  operation: Operation,
  truth: GroundTruth,
  findings?: Findings,
): SweptOperation | undefined {
  if (operation.outcome === "fail") return undefined;
  const base = {
    id: operation.id,
    callNs: operation.call_ns,
    returnNs: operation.outcome === "ok"
      ? operation.return_ns ?? Infinity
      : Infinity,
  };
  const header = operation.revision === undefined
    ? []
    : [only(operation.revision)];
  if (operation.f === "list") {
    return operation.outcome === "ok"
      ? { ...base, writes: false, holds: listHolds(operation, truth) }
      : undefined;
  }
  const branches = branchesOf(operation);
  const written = branches.flatMap((branch) =>
    putsOf(branch).flatMap(({ key, value }) =>
      truth.wrote(key, value).slice(0, 1).map((change) => ({ branch, change }))
    )
  );
  const [first] = written;
  if (first) {
    const { branch, change } = first;
    const { mod_revision } = change;
    return {
      ...base,
      writes: true,
      // Checks and first reads see the state just before.
      holds: [
        only(mod_revision),
        shifted(conditions(branch, truth)),
      ],
    };
  }
  if (operation.outcome !== "ok") return undefined;
  const [branch] = branches;
  if (branch === undefined) return undefined;
  if (putsOf(branch).length > 0) {
    // Lost: the checker of acknowledged writes says so.
    if (findings) findings.undecided += 1;
    return undefined;
  }
  const gone = branch.steps.flatMap((step) =>
    step.type === "delete" ? [absent(step.key, truth)] : []
  );
  // A delete may have its revision from itself or from whatever was before.
  const holds = gone.length > 0
    ? [...header, ...gone]
    : [...header, ...conditions(branch, truth)];
  return holds.length === 0 ? undefined : { ...base, writes: false, holds };
}

/** What a branch says of the state before it. */
function conditions(
  { checks, hold, steps, found }: Branch,
  truth: GroundTruth,
): NextRevision[] {
  const holds = checks.map(({ key, expected_version }) =>
    hold
      ? versionIs(key, expected_version, truth)
      : versionIsNot(key, expected_version, truth)
  );
  const all = hold || holds.length === 0 ? holds : [anyOf(holds)];
  const touched = new Set<string>();
  let gets = 0;
  for (const step of steps) {
    if (step.type !== "get") {
      touched.add(step.key);
      continue;
    }
    const kv = found?.[gets++];
    if (kv === undefined || touched.has(step.key)) continue;
    all.push(shows(step.key, kv, truth));
  }
  return all;
}

/** Conditions on the state one revision before. */
function shifted(holds: readonly NextRevision[]): NextRevision {
  return (from) => {
    const before = Math.max(0, from - 1);
    return holds.every((hold) => hold(before) === before) ? from : Infinity;
  };
}

function listHolds(
  { prefix, result }: OperationOf<"list">,
  truth: GroundTruth,
): NextRevision[] {
  const never: NextRevision = () => Infinity;
  if (result === undefined) return [];
  const { kvs, revision } = result;
  const expected: Change[] = [];
  for (const key of truth.keys(prefix)) {
    const change = truth.last(key, revision);
    if (change?.event === "put") expected.push(change);
  }
  const isRight = revision > truth.to || kvs.length === expected.length &&
      kvs.every(({ key, value, version }, index) => {
        const change = expected[index];
        return change?.key === key && change.value === value &&
          change.mod_revision === version;
      });
  return isRight ? [only(revision)] : [never];
}

function shows(
  key: string,
  kv: KeyValue | null,
  truth: GroundTruth,
): NextRevision {
  if (kv === null) return absent(key, truth);
  const change = truth.last(key, kv.version);
  const isRight = kv.key === key && change?.mod_revision === kv.version &&
    change.value === kv.value;
  return isRight ? versionIs(key, kv.version, truth) : () => Infinity;
}

function absent(key: string, truth: GroundTruth): NextRevision {
  return versionIs(key, 0, truth);
}

/** Where a key has a version, 0 for not being there. */
export function versionIs(
  key: string,
  version: number,
  truth: GroundTruth,
): NextRevision {
  return firstWhere(key, truth, (at) => at === version);
}

function versionIsNot(
  key: string,
  version: number,
  truth: GroundTruth,
): NextRevision {
  return firstWhere(key, truth, (at) => at !== version);
}

function firstWhere(
  key: string,
  truth: GroundTruth,
  accept: (version: number) => boolean,
): NextRevision {
  return (from) => {
    for (let revision = from;;) {
      if (accept(truth.version(key, revision))) return revision;
      const next = truth.next(key, revision);
      if (next === undefined) return Infinity;
      revision = next.mod_revision;
    }
  };
}

function checkUniqueWrites(
  operations: readonly Operation[],
  findings: Findings,
): void {
  // Puts of different keys that were under way at once may share a transaction.
  const writers = new Map<string, string>();
  for (const operation of operations) {
    if (operation.f !== "put" || operation.result === undefined) continue;
    const { version } = operation.result;
    const change = `${version} ${operation.key}`;
    const other = writers.get(change);
    if (other !== undefined) {
      findings.add(
        `Two writes of one key have revision ${version}`,
        other,
        operation.id,
      );
    }
    writers.set(change, operation.id);
  }
}

/** What answers' headers say never falls for one process. */
function checkHeaders(
  operations: readonly Operation[],
  findings: Findings,
): void {
  const seen = new Map<string, { revision: number; raft_term: number }>();
  const byCall = operations.toSorted((a, b) => a.call_ns - b.call_ns);
  for (const operation of byCall) {
    if (operation.outcome !== "ok") continue;
    const { process, id } = operation;
    const last = seen.get(process) ?? { revision: 0, raft_term: 0 };
    const revision = revisionOf(operation) ?? last.revision;
    const { raft_term = last.raft_term } = operation;
    if (revision < last.revision || raft_term < last.raft_term) {
      findings.add(
        `${process} saw revision ${revision} in raft term ${raft_term} after ${last.revision} in ${last.raft_term}`,
        id,
      );
    }
    seen.set(process, { revision, raft_term });
  }
}

function revisionOf(operation: Operation): number | undefined {
  if (operation.f === "put") return operation.result?.version;
  if (operation.f === "list") return operation.result?.revision;
  return operation.revision;
}
