/**
 * What an operation does to keys, whichever kind it is: checks, then steps.
 *
 * @module
 */

import type { KeyValue, Operation, Step } from "./history.ts";

/** A condition that a branch stands for. */
export interface Check {
  /** The key looked at. */
  readonly key: string;
  /** Its `mod_revision`, 0 for none. */
  readonly expected_version: number;
}

/** One way an operation may have gone. */
export interface Branch {
  /** What the operation compares before. */
  readonly checks: readonly Check[];
  /** Whether this is the way for checks that all hold, or for some that do not. */
  readonly hold: boolean;
  /** What it then does, in order. */
  readonly steps: readonly Step[];
  /** What its gets found, in order; undefined if unknown. */
  readonly found: readonly (KeyValue | null)[] | undefined;
}

/**
 * The ways an operation may have gone: one if that is known, none if it has
 * nothing to do with single keys (lists, elections).
 */
export function branchesOf(operation: Operation): readonly Branch[] {
  const ok = operation.outcome === "ok";
  switch (operation.f) {
    case "get":
      return ok
        ? [way([{ type: "get", key: operation.key }], [
          operation.result ?? null,
        ])]
        : [];
    case "put":
      return [way([{
        type: "put",
        key: operation.key,
        value: operation.value,
      }])];
    case "delete":
      return [way([{ type: "delete", key: operation.key }])];
    case "cas": {
      const { key, expected_version, value } = operation;
      return taken(operation.result?.succeeded, {
        checks: [{ key, expected_version }],
        success: [{ type: "put", key, value }],
        failure: [],
        found: [],
      });
    }
    case "txn":
      return taken(operation.result?.succeeded, {
        checks: operation.compare,
        success: operation.success,
        failure: operation.failure,
        found: operation.result?.gets,
      });
    default:
      return [];
  }
}

/** The keys and values that a branch leaves, each key's last put. */
export function putsOf(
  { steps }: Branch,
): readonly { key: string; value: string }[] {
  return steps.flatMap((step) =>
    step.type === "put" ? [{ key: step.key, value: step.value }] : []
  );
}

function way(
  steps: readonly Step[],
  found: readonly (KeyValue | null)[] = [],
): Branch {
  return { checks: [], hold: true, steps, found };
}

function taken(
  succeeded: boolean | undefined,
  { checks, success, failure, found }: {
    readonly checks: readonly Check[];
    readonly success: readonly Step[];
    readonly failure: readonly Step[];
    readonly found: readonly (KeyValue | null)[] | undefined;
  },
): readonly Branch[] {
  const yes: Branch = { checks, hold: true, steps: success, found };
  const no: Branch = { checks, hold: false, steps: failure, found };
  return succeeded === undefined ? [yes, no] : [succeeded ? yes : no];
}
