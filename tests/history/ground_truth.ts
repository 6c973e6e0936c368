/**
 * What really happened, from the independent recorder: every change by
 * revision and by key, whichever member told it.
 *
 * @module
 */

import type { History, Truth } from "./history.ts";

/** One change of one key. */
export interface Change extends Omit<Truth, "type" | "member"> {
  /** The revision of the key's change before this one, 0 if there is none or it was a delete. */
  readonly prev_version: number;
}

/** All changes of a history. */
export class GroundTruth {
  /** By revision, then by key. */
  readonly changes: readonly Change[];
  /** Where members told different things, or what one told contradicts itself. */
  readonly conflicts: readonly string[];
  /** Up to which revision every change is known; 0 if the recorder certifies nothing. */
  readonly to: number;
  /** Until when: a call that returned before is covered. */
  readonly untilNs: number;
  readonly #byKey = new Map<string, Change[]>();
  readonly #byValue = new Map<string, Change[]>();
  readonly #keys: readonly string[];

  /** Merges what the members told. */
  constructor({ truths, marks }: Pick<History, "truths" | "marks">) {
    const certified = marks.filter((mark) =>
      mark.name === "recorded" && mark.from_revision <= 1
    );
    this.to = Math.max(
      0,
      ...certified.map((mark) =>
        mark.name === "recorded" ? mark.to_revision : 0
      ),
    );
    this.untilNs = Math.max(-1, ...certified.map(({ at_ns }) => at_ns));
    const conflicts: string[] = [];
    this.changes = merge(truths, conflicts, this.#byKey);
    this.conflicts = conflicts;
    for (const change of this.changes) {
      if (change.value === null) continue;
      push(this.#byValue, identity(change.key, change.value), change);
    }
    this.#keys = [...this.#byKey.keys()].sort();
  }

  /** Every change of a key, by revision. */
  of(key: string): readonly Change[] {
    return this.#byKey.get(key) ?? [];
  }

  /** Every change that gave a key a value; values being unique, more than one is an error. */
  wrote(key: string, value: string): readonly Change[] {
    return this.#byValue.get(identity(key, value)) ?? [];
  }

  /** The last change of a key up to a revision, deletes included. */
  last(key: string, revision: number): Change | undefined {
    const changes = this.of(key);
    return changes[firstAfter(changes, revision) - 1];
  }

  /** The `mod_revision` of a key at a revision, 0 if it did not exist. */
  version(key: string, revision: number): number {
    const change = this.last(key, revision);
    return change?.event === "put" ? change.mod_revision : 0;
  }

  /** The first change of a key after a revision. */
  next(key: string, revision: number): Change | undefined {
    const changes = this.of(key);
    return changes[firstAfter(changes, revision)];
  }

  /** Every key that ever existed with a prefix, in order. */
  *keys(prefix: string): Generator<string> {
    let index = this.#keys.length;
    for (let low = 0; low < index;) {
      const middle = (low + index) >> 1;
      if ((this.#keys[middle] ?? "") < prefix) low = middle + 1;
      else index = middle;
    }
    for (; index < this.#keys.length; index++) {
      const key = this.#keys[index] ?? "";
      if (!key.startsWith(prefix)) return;
      yield key;
    }
  }
}

/** Whether a watch of `watched` concerns a key: itself, or all below a trailing slash. */
export function concerns(watched: string, key: string): boolean {
  return watched === "" || watched.endsWith("/")
    ? key.startsWith(watched)
    : key === watched;
}

function identity(key: string, value: string): string {
  return `${key}\0${value}`;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/** The index of the first change after a revision. */
function firstAfter(changes: readonly Change[], revision: number): number {
  let [low, high] = [0, changes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((changes[middle]?.mod_revision ?? 0) <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}

function merge(
  truths: readonly Truth[],
  conflicts: string[],
  byKey: Map<string, Change[]>,
): Change[] {
  const sorted = truths.toSorted((a, b) =>
    a.mod_revision - b.mod_revision ||
    (a.key < b.key ? -1 : a.key > b.key ? 1 : a.at_ns - b.at_ns)
  );
  const changes: Change[] = [];
  for (const { type: _type, member, ...truth } of sorted) {
    const known = byKey.get(truth.key) ?? [];
    const before = known.at(-1);
    const where = `${JSON.stringify(truth.key)} at ${truth.mod_revision}`;
    if (before?.mod_revision === truth.mod_revision) {
      const same = before.event === truth.event &&
        before.value === truth.value &&
        before.create_revision === truth.create_revision;
      if (!same) conflicts.push(`Member ${member} tells otherwise of ${where}`);
      continue;
    }
    const prev = before?.event === "put" ? before : undefined;
    if ((prev?.value ?? null) !== truth.prev_value) {
      conflicts.push(
        `Member ${member} says that ${where} replaced ${truth.prev_value}, ` +
          `but the change before left ${prev?.value ?? null}`,
      );
    }
    const change = { ...truth, prev_version: prev?.mod_revision ?? 0 };
    push(byKey, truth.key, change);
    changes.push(change);
  }
  return changes;
}
