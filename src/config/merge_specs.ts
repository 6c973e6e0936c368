/**
 * What a changed cluster.kat changes in a cluster whose configuration other
 * nodes may have changed as well: only what is new in the file.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import { compareSpecs, type SpecDifference } from "./compare_specs.ts";
import type { SharedSpec } from "./shared_spec.ts";
import { readSharedSpec } from "./stored_spec.ts";

/** Options of {@linkcode mergeSpecs}. */
export interface MergeSpecsOptions {
  /** What the file of this node says. */
  readonly wanted: SharedSpec;
  /** What it said when this node last applied it; `undefined` if it never did. */
  readonly applied: SharedSpec | undefined;
}

/** A stored configuration with one node's changes in it. */
export interface MergedSpec {
  /** What the store is to have. */
  readonly spec: SharedSpec;
  /** What the file changes. */
  readonly changed: readonly SpecDifference[];
  /** Where the file says what it said before, and the cluster has another value meanwhile. */
  readonly kept: readonly SpecDifference[];
}

/**
 * Puts into the cluster's configuration what the file says now and did not say
 * when it was last applied.
 *
 * @throws {KatError} if the two together are what no cluster.kat may say.
 */
export function mergeSpecs(
  stored: SharedSpec,
  { wanted, applied }: MergeSpecsOptions,
): MergedSpec {
  const news = new Set(
    applied && compareSpecs(applied, wanted).map(({ field }) => field),
  );
  const differences = compareSpecs(stored, wanted);
  const changed = differences.filter(({ field }) => news.has(field));
  const kept = differences.filter(({ field }) => !news.has(field));
  return { spec: withChanges(stored, changed), changed, kept };
}

function withChanges(
  stored: SharedSpec,
  changed: readonly SpecDifference[],
): SharedSpec {
  const plain: Record<string, unknown> = { ...stored };
  const etcd: Record<string, unknown> = { ...stored.etcd };
  for (const { field, wanted } of changed) {
    const [name = "", inner] = field.split(".");
    const [fields, key] = inner === undefined ? [plain, name] : [etcd, inner];
    if (wanted === undefined) delete fields[key];
    else fields[key] = wanted;
  }
  return readSharedSpec({ ...plain, etcd });
}

/** Options of {@linkcode cannotMerge}. */
export interface CannotMergeOptions {
  /** The cluster's configuration. */
  readonly stored: SharedSpec;
  /** What the file says. */
  readonly wanted: SharedSpec;
  /** What is wrong with the two together. */
  readonly cause: KatError;
}

/** What to tell the user of a file whose changes do not go with the cluster's other settings. */
export function cannotMerge(
  { stored, wanted, cause }: CannotMergeOptions,
): { readonly message: string; readonly hint: string } {
  const values = compareSpecs(stored, wanted)
    .map(({ field, stored, wanted }) =>
      `spec.${field}: the cluster has ${stored ?? "none"}, cluster.kat says ${
        wanted ?? "none"
      }`
    ).join("; ");
  return {
    message:
      `Cannot change the cluster's settings to those that are new in cluster.kat, because another node changed others: ${cause.message}`,
    hint:
      `Put the values into cluster.kat that the cluster is to have, so that they fit together (${values})`,
  };
}
