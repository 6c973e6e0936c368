/**
 * The text of a `cluster.kat` to a ClusterConfig, or to every reason why not.
 *
 * @module
 */

import { checkEtcd, checkSpec, withDefault } from "./check_spec.ts";
import {
  API_VERSION,
  type ClusterConfig,
  type ClusterSpec,
  type EtcdSpec,
  KIND,
} from "./cluster_config.ts";
import {
  ETCD_NAMES,
  ETCD_RULES,
  type PlainSpec,
  SPEC_DEFAULTS,
  SPEC_NAMES,
  SPEC_RULES,
} from "./spec_rules.ts";
import { dnsLabel, exactly } from "./value_rules.ts";
import { type Field, type FieldsOf, YamlMapping } from "./yaml_mapping.ts";
import { readYaml } from "./yaml_source.ts";

/** Options of {@linkcode parseClusterConfig}. */
export interface ParseClusterConfigOptions {
  /** The file's name in messages. */
  readonly file: string;
  /**
   * The value of `spec.dataDir` where the file has none; without it, such a
   * file is wrong.
   */
  readonly defaultDataDir: string | undefined;
}

/**
 * Reads a `cluster.kat`, checks it by every rule, and fills in the defaults.
 *
 * @throws {ConfigError} with all problems of the file.
 */
export function parseClusterConfig(
  source: Uint8Array | string,
  { file, defaultDataDir }: ParseClusterConfigOptions,
): ClusterConfig {
  const { root, problems } = readYaml(source, file);
  const top = YamlMapping.root(root, [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
  ], problems);

  const apiVersion = exactly(API_VERSION);
  top?.require("apiVersion", apiVersion.wanted);
  top?.field("apiVersion", apiVersion);
  const kind = exactly(KIND);
  top?.require("kind", kind.wanted);
  top?.field("kind", kind);

  top?.require("metadata", "a mapping with the cluster's name");
  const metadata = top?.mapping("metadata", ["name"]);
  metadata?.require("name", dnsLabel.wanted);
  const name = metadata?.field("name", dnsLabel).value;

  top?.require("spec", "a mapping, which may be empty: {}");
  const mapping = top?.mapping("spec", [...SPEC_NAMES, "etcd"]);
  if (defaultDataDir === undefined) {
    mapping?.require(
      "dataDir",
      "an absolute path here or --data-dir, because neither HOME nor " +
        "XDG_DATA_HOME is set",
    );
  }
  const found = mapping?.fields<PlainSpec>(SPEC_RULES);
  const spec = found &&
    fill(found, { ...SPEC_DEFAULTS, dataDir: defaultDataDir });
  if (spec !== undefined) checkSpec(spec, problems);
  const etcd = mapping?.mapping("etcd", ETCD_NAMES)
    ?.fields<EtcdSpec>(ETCD_RULES);
  if (etcd !== undefined) checkEtcd(etcd, problems);

  problems.throwIfAny();
  if (name === undefined || spec === undefined) {
    throw new TypeError(
      "Cannot build a configuration: no problem was reported",
    );
  }
  return {
    name,
    spec: { ...valuesOf(spec), etcd: valuesOf(etcd ?? {}) } as ClusterSpec,
    ...(spec.leaderLeaseSeconds.place ? { isLeaseGiven: true } : {}),
  };
}

/** Puts the defaults where the file says nothing. */
function fill<T>(
  fields: FieldsOf<T>,
  defaults: Readonly<Record<string, unknown>>,
): FieldsOf<T> {
  return Object.fromEntries(
    Object.entries<Field<unknown>>(fields).map(
      ([name, field]) => [name, withDefault(field, defaults[name])],
    ),
  ) as unknown as FieldsOf<T>;
}

/** The values that there are, by name. */
function valuesOf(fields: Readonly<Record<string, Field<unknown>>>): object {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, { value }]) => value !== undefined)
      .map(([name, { value }]) => [name, value]),
  );
}
