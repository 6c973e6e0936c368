/**
 * I1 and I2: no acknowledged write is lost, and no change happened twice or
 * without an operation.
 *
 * @module
 */

import { type Branch, branchesOf, putsOf } from "./effects.ts";
import { type Change, GroundTruth } from "./ground_truth.ts";
import type { History, Operation } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** Every write with `ok` is in the ground truth, once, whole, at its revision. */
export function checkAcknowledgedWrites(
  history: History,
  truth: GroundTruth = new GroundTruth(history),
): Verdict {
  const findings = new Findings();
  for (const operation of history.operations) {
    const [branch] = branchesOf(operation);
    if (operation.outcome !== "ok" || branch === undefined) continue;
    const puts = putsOf(branch);
    if (puts.length === 0) continue;
    findings.checked += 1;
    const changes = puts.map(({ key, value }) => truth.wrote(key, value)[0]);
    const missing = puts.find((_put, index) => changes[index] === undefined);
    if (missing !== undefined) {
      if ((operation.return_ns ?? Infinity) > truth.untilNs) {
        findings.undecided += 1;
      } else {
        findings.add(
          `${operation.f} of ${quoted(missing)} was acknowledged and is lost`,
          operation.id,
        );
      }
      continue;
    }
    const revisions = new Set(changes.map((change) => change?.mod_revision));
    if (revisions.size > 1) {
      findings.add(
        `One transaction was done at revisions ${[...revisions].join(", ")}`,
        operation.id,
      );
    }
    const told = operation.f === "put"
      ? operation.result?.version
      : operation.revision;
    if (told !== undefined && !revisions.has(told)) {
      findings.add(
        `A write acknowledged at revision ${told} was done at ${
          [...revisions].join()
        }`,
        operation.id,
      );
    }
  }
  return findings.verdict();
}

/** Every change has one operation that was to make it: `fail` none, `unknown` at most one, `ok` one. */
export function checkNoGhosts(
  history: History,
  truth: GroundTruth = new GroundTruth(history),
): Verdict {
  const findings = new Findings();
  const { foreign_prefixes, election_prefix } = history.header;
  const foreign = [...foreign_prefixes, election_prefix];
  for (const conflict of truth.conflicts) findings.add(conflict);
  const asked = invocations(history.operations);
  const deletes = countDeletes(history.operations);
  const deleted = new Map<string, number>();
  for (const change of truth.changes) {
    const { key, value, mod_revision } = change;
    if (foreign.some((prefix) => key.startsWith(prefix))) continue;
    findings.checked += 1;
    if (value === null) {
      deleted.set(key, (deleted.get(key) ?? 0) + 1);
      continue;
    }
    const wrote = truth.wrote(key, value);
    if (wrote.length > 1 && wrote[0] === change) {
      findings.add(
        `${quoted({ key, value })} was written ${wrote.length} times, at ${
          wrote.map((one) => one.mod_revision).join(", ")
        }`,
        ...ids(asked.get(`${key}\0${value}`)),
      );
    }
    const operation = asked.get(`${key}\0${value}`);
    if (operation === undefined) {
      findings.add(
        `${
          quoted({ key, value })
        } at ${mod_revision} was written by no operation`,
      );
    } else {
      checkChange(operation, change, findings);
    }
  }
  for (const [key, count] of deleted) {
    const { most = 0 } = deletes.get(key) ?? {};
    if (count > most) {
      findings.add(
        `${JSON.stringify(key)} was deleted ${count} times, asked for ${most}`,
      );
    }
  }
  for (const operation of history.operations) {
    if (operation.outcome === "unknown") checkWhole(operation, truth, findings);
  }
  return findings.verdict();
}

function checkChange(
  operation: Operation,
  change: Change,
  findings: Findings,
): void {
  const what = `${operation.f} of ${quoted(change)}`;
  if (operation.outcome === "fail") {
    findings.add(`${what} failed for certain and was done`, operation.id);
  } else if (!mayWrite(operation, change)) {
    findings.add(
      `${what} was done although its comparison failed`,
      operation.id,
    );
  }
  if (change.at_ns < operation.call_ns) {
    findings.add(`${what} was seen before it was asked for`, operation.id);
  }
}

function mayWrite(operation: Operation, { key, value }: Change): boolean {
  return branchesOf(operation).some((branch) =>
    putsOf(branch).some((put) => put.key === key && put.value === value)
  );
}

/** A transaction of which some is done is done as a whole, at one revision. */
function checkWhole(
  operation: Operation,
  truth: GroundTruth,
  findings: Findings,
): void {
  const done = branchesOf(operation).map((branch) =>
    putsOf(branch).map(({ key, value }) => truth.wrote(key, value)[0])
  );
  const begun = done.filter((changes) => changes.some(Boolean));
  const revisions = new Set(
    begun.flat().map((change) => change?.mod_revision),
  );
  if (begun.length > 1 || revisions.size > 1) {
    findings.add("A transaction was done in part", operation.id);
  }
}

/** The operation that writes each pair of key and value, in any branch. */
function invocations(
  operations: readonly Operation[],
): Map<string, Operation> {
  const asked = new Map<string, Operation>();
  for (const operation of operations) {
    for (const branch of everyBranch(operation)) {
      for (const { key, value } of putsOf(branch)) {
        asked.set(`${key}\0${value}`, operation);
      }
    }
  }
  return asked;
}

/** Also those that an answer says were not taken. */
function everyBranch(operation: Operation): readonly Branch[] {
  const { result: _result, ...open } = operation as Operation & {
    result?: unknown;
  };
  return branchesOf({ ...open, outcome: "unknown" } as Operation);
}

function countDeletes(
  operations: readonly Operation[],
): Map<string, { most: number }> {
  const counts = new Map<string, { most: number }>();
  for (const operation of operations) {
    if (operation.outcome === "fail") continue;
    const keys = new Set(
      branchesOf(operation).flatMap(({ steps }) =>
        steps.flatMap((step) => step.type === "delete" ? [step.key] : [])
      ),
    );
    for (const key of keys) {
      const count = counts.get(key) ?? { most: 0 };
      count.most += 1;
      counts.set(key, count);
    }
  }
  return counts;
}

function ids(operation: Operation | undefined): string[] {
  return operation ? [operation.id] : [];
}

function quoted(
  { key, value }: { readonly key: string; readonly value: string | null },
): string {
  return `${JSON.stringify(key)} = ${JSON.stringify(value)}`;
}
