/**
 * Whether operations can be given revisions that rise with time: what returned
 * before another was called has no higher one, and a write a lower one.
 *
 * Each operation says at which revisions its answer would have been right. A
 * write is right at its own only. Giving each the lowest that is still possible
 * finds a way whenever there is one, in one pass over calls and returns.
 *
 * @module
 */

/** Returns the lowest revision from `revision` on at which something holds, Infinity if none. */
export type NextRevision = (revision: number) => number;

/** An operation to be given a revision. */
export interface SweptOperation {
  /** Names it in violations. */
  readonly id: string;
  /** When it was called. */
  readonly callNs: number;
  /** When it had returned; Infinity if it did not. */
  readonly returnNs: number;
  /** Whether it made its revision, so that nothing before can have seen it. */
  readonly writes: boolean;
  /** Where its answer is right; all have to hold. */
  readonly holds: readonly NextRevision[];
}

/** Two operations that contradict each other, or one that no revision explains. */
export interface SweepConflict {
  /** What could not be given a revision. */
  readonly operation: SweptOperation;
  /** The one before, which shows a revision already that is too high; undefined if there is none. */
  readonly after: SweptOperation | undefined;
  /** The revision that `after` shows at least, 0 without one. */
  readonly floor: number;
}

/** Finds all that fit nowhere; each is then left out. */
export function sweepRevisions(
  operations: readonly SweptOperation[],
): SweepConflict[] {
  const given = new Map<SweptOperation, number>();
  const conflicts: SweepConflict[] = [];
  let floor = 0;
  let after: SweptOperation | undefined;
  const moments = operations.flatMap((operation) => [
    { atNs: operation.callNs, isCall: true, operation },
    { atNs: operation.returnNs, isCall: false, operation },
  ]);
  moments.sort((a, b) =>
    a.atNs - b.atNs || Number(b.isCall) - Number(a.isCall)
  );
  for (const { atNs, isCall, operation } of moments) {
    if (atNs === Infinity) break;
    if (isCall) {
      const from = operation.writes ? floor + 1 : floor;
      const revision = lowest(operation.holds, from);
      if (revision === Infinity) conflicts.push({ operation, after, floor });
      else given.set(operation, revision);
      continue;
    }
    const revision = given.get(operation);
    if (revision !== undefined && revision > floor) {
      floor = revision;
      after = operation;
    }
  }
  return conflicts;
}

/** The lowest revision from `from` on at which all hold. */
function lowest(holds: readonly NextRevision[], from: number): number {
  let revision = from;
  while (true) {
    const next = holds.reduce((at, hold) => Math.max(at, hold(at)), revision);
    if (next === revision || next === Infinity) return next;
    revision = next;
  }
}

/** Holds at one revision only. */
export function only(revision: number): NextRevision {
  return (from) => from <= revision ? revision : Infinity;
}

/** Holds wherever one of them does. */
export function anyOf(holds: readonly NextRevision[]): NextRevision {
  return (from) => Math.min(...holds.map((hold) => hold(from)));
}
