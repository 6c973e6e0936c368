/**
 * A configuration as a `cluster.kat` that says everything.
 *
 * @module
 */

import { stringify } from "yaml";

import { API_VERSION, type ClusterConfig, KIND } from "./cluster_config.ts";
import { orderSpec } from "./shared_spec.ts";

/**
 * Returns YAML with every default written out; parsing it gives the same
 * configuration.
 */
export function showClusterConfig({ name, spec }: ClusterConfig): string {
  const { etcd, ...plain } = orderSpec(spec);
  return stringify({
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name },
    spec: Object.keys(etcd).length === 0 ? plain : { ...plain, etcd },
  }, {
    version: "1.2",
    schema: "core",
    // Quotes what YAML 1.1 would not read as a string, as the parser wants it.
    compat: "yaml-1.1",
    lineWidth: 0,
    aliasDuplicateObjects: false,
  });
}
