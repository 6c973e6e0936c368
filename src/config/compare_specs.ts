/**
 * What differs between the cluster's stored spec and a file's, and what of it
 * may change while the cluster lives.
 *
 * @module
 */

import type { ClusterSpec, EtcdSpec } from "./cluster_config.ts";
import type { OWN_NAMES, SharedSpec } from "./shared_spec.ts";
import { ETCD_NAMES, SPEC_NAMES } from "./spec_rules.ts";

/** A field with two values. */
export interface SpecDifference {
  /** The field, as `apiPort` or `etcd.version`. */
  readonly field: string;
  /** What the cluster has; undefined when it says nothing. */
  readonly stored: string | number | undefined;
  /** What the file has; undefined when it says nothing. */
  readonly wanted: string | number | undefined;
  /** Whether a cluster that exists can take the new value. */
  readonly mayChange: boolean;
}

/** A node's whole spec, or what its cluster shares. */
export type ComparedSpec =
  & Omit<SharedSpec, "etcd">
  & Partial<Pick<ClusterSpec, typeof OWN_NAMES[number]>>
  & { readonly etcd: EtcdSpec };

/**
 * Returns the fields that differ, in the order of the spec. `dataDir` belongs
 * to a node and is not compared.
 */
export function compareSpecs(
  stored: ComparedSpec,
  wanted: ComparedSpec,
): SpecDifference[] {
  const storedValues = flatten(stored);
  return [...flatten(wanted)]
    .map(([field, value]) => ({
      field,
      stored: storedValues.get(field),
      wanted: value,
      mayChange: /^backup|Seconds$|^etcd\./.test(field),
    }))
    .filter((difference) => difference.stored !== difference.wanted);
}

function flatten(spec: ComparedSpec): Map<string, string | number | undefined> {
  const values = new Map<string, string | number | undefined>();
  for (const name of SPEC_NAMES) {
    if (name !== "dataDir") values.set(name, spec[name]);
  }
  for (const name of ETCD_NAMES) values.set(`etcd.${name}`, spec.etcd[name]);
  return values;
}
