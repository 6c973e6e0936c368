/**
 * What a history's operations were to one key: a register that is read,
 * compared and written.
 *
 * Revisions are used for one thing only: to know which value a comparison
 * meant. The search finds the order. Lists are left out; another checker checks
 * them by their revision.
 *
 * @module
 */

import { type Branch, branchesOf, putsOf } from "./effects.ts";
import type { GroundTruth } from "./ground_truth.ts";
import type { History, KeyValue, Operation } from "./history.ts";
import type { RegisterOperation } from "./wgl.ts";

/** The value of a key that does not exist. */
export const ABSENT = 0;
/** A value that no key can have. */
const IMPOSSIBLE = -1;

/** An operation on a key, with what it came from. */
export interface KeyOperation extends RegisterOperation {
  /** The ID of the operation. */
  readonly id: string;
}

/** The operations on each key that only the traffic writes. */
export function keyOperations(
  { operations, header }: Pick<History, "operations" | "header">,
  truth: GroundTruth,
): Map<string, KeyOperation[]> {
  const foreign = [...header.foreign_prefixes, header.election_prefix];
  const values = new Values(operations, truth);
  const byKey = new Map<string, KeyOperation[]>();
  for (const operation of operations) {
    if (operation.outcome === "fail") continue;
    for (const { branch, returnNs } of spansOf(operation, truth)) {
      for (const key of keysOf(branch)) {
        if (foreign.some((prefix) => key.startsWith(prefix))) continue;
        const on = project(branch, key, values);
        if (on === undefined) continue;
        const list = byKey.get(key) ?? [];
        byKey.set(key, list);
        const { id, call_ns } = operation;
        list.push({ id, callNs: call_ns, returnNs, ...on });
      }
    }
  }
  return byKey;
}

interface Span {
  readonly branch: Branch;
  readonly returnNs: number;
}

/**
 * Which branch an operation took, and until when; none if it did nothing. Where
 * two are possible, both may have been: that may hide an error, and never
 * invents one.
 */
function spansOf(operation: Operation, truth: GroundTruth): readonly Span[] {
  const branches = branchesOf(operation);
  if (operation.outcome === "ok") {
    const returnNs = operation.return_ns ?? Infinity;
    return branches.map((branch) => ({ branch, returnNs }));
  }
  // One without an answer took effect before the recorder saw it …
  for (const branch of branches) {
    const [change] = putsOf(branch).flatMap(({ key, value }) =>
      truth.wrote(key, value)
    );
    if (change) return [{ branch: unread(branch), returnNs: change.at_ns }];
  }
  // … or never, if the recorder saw everything and its puts are not there …
  const isSeen = operation.call_ns <= truth.untilNs;
  const open = branches.filter((branch) =>
    branch.steps.some(({ type }) => type !== "get") &&
    !(isSeen && putsOf(branch).length > 0)
  );
  // … or it is unknown.
  return open.map((branch) => ({ branch: unread(branch), returnNs: Infinity }));
}

function unread(branch: Branch): Branch {
  return { ...branch, found: undefined };
}

function keysOf({ checks, steps }: Branch): Set<string> {
  return new Set([...checks, ...steps].map(({ key }) => key));
}

/** What a branch means to one key; undefined if nothing. */
function project(
  { checks, hold, steps, found }: Branch,
  key: string,
  values: Values,
): Pick<RegisterOperation, "needs" | "forbids" | "writes"> | undefined {
  let needs: number | undefined;
  let forbids: number | undefined;
  let writes: number | undefined;
  const need = (value: number | undefined) => {
    if (value === undefined) return;
    needs = needs === undefined || needs === value ? value : IMPOSSIBLE;
  };
  for (const check of checks) {
    if (check.key !== key) continue;
    const expected = values.at(key, check.expected_version);
    if (hold) need(expected);
    // Of several checks that did not all hold, each by itself may have.
    else if (checks.length === 1) forbids = expected;
  }
  let gets = 0;
  for (const step of steps) {
    const read = step.type === "get" ? found?.[gets++] : undefined;
    if (step.key !== key) continue;
    if (step.type === "put") writes = values.of(key, step.value);
    else if (step.type === "delete") writes = ABSENT;
    else if (read !== undefined) {
      const value = values.found(key, read);
      if (writes === undefined) need(value);
      else if (writes !== value) needs = IMPOSSIBLE;
    }
  }
  const isNothing = needs === undefined && forbids === undefined &&
    writes === undefined;
  return isNothing ? undefined : { needs, forbids, writes };
}

/** Numbers for values, and which value each version of a key was. */
class Values {
  readonly #numbers = new Map<string, number>();
  readonly #versions = new Map<string, number>();

  constructor(operations: readonly Operation[], truth: GroundTruth) {
    for (const { key, value, mod_revision } of truth.changes) {
      if (value !== null) this.#learn(key, value, mod_revision);
    }
    for (const operation of operations) {
      if (operation.outcome !== "ok") continue;
      if (operation.f === "put" && operation.result) {
        const { key, value, result } = operation;
        this.#learn(key, value, result.version);
      }
      const found = [
        ...branchesOf(operation).flatMap((branch) => branch.found ?? []),
        ...(operation.f === "list" ? operation.result?.kvs ?? [] : []),
      ];
      for (const kv of found) if (kv) this.#learn(kv.key, kv.value, kv.version);
    }
  }

  of(key: string, value: string): number {
    const identity = `${key}\0${value}`;
    const known = this.#numbers.get(identity);
    if (known !== undefined) return known;
    const number = this.#numbers.size + 1;
    this.#numbers.set(identity, number);
    return number;
  }

  found(key: string, kv: KeyValue | null): number {
    if (kv === null) return ABSENT;
    return kv.key === key ? this.of(key, kv.value) : IMPOSSIBLE;
  }

  /** The value of a version; undefined if no operation ever saw it. */
  at(key: string, version: number): number | undefined {
    return version === 0 ? ABSENT : this.#versions.get(`${key}\0${version}`);
  }

  #learn(key: string, value: string, version: number): void {
    const identity = `${key}\0${version}`;
    // What was seen first counts; the search finds an operation that saw another.
    if (this.#versions.has(identity)) return;
    this.#versions.set(identity, this.of(key, value));
  }
}
