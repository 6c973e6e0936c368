/**
 * The text of a new `cluster.kat`, with comments: pure.
 *
 * @module
 */

import { API_VERSION, type ClusterSpec, KIND } from "./cluster_config.ts";
import { ETCD_NAMES, type PlainSpec, SPEC_DEFAULTS } from "./spec_rules.ts";

/** What a new file says. */
export interface NewClusterFile {
  /** `metadata.name`. */
  readonly name: string;
  /** Its fields of `spec`; what is as usual is written as a comment. */
  readonly spec: Partial<ClusterSpec>;
  /** Whether the networks were chosen by the routes of this machine. */
  readonly isChosen?: boolean | undefined;
}

/** What stands above a group of fields. */
const GROUPS: readonly (readonly [
  comment: string,
  names: readonly (keyof Omit<PlainSpec, "dataDir">)[],
])[] = [
  [
    "Each node gets a subnet of clusterCIDR: 16 + 7 bits make a /23.",
    ["nodeSubnetBits", "clusterDomain"],
  ],
  [
    "TCP ports, all different. Nothing listens on the first two yet.",
    ["agentPort", "apiPort", "etcdPeerPort", "etcdClientPort"],
  ],
  [
    "Seconds after which a leader that falls silent is replaced. Without it,\n" +
    "  # this follows from the disks.",
    ["leaderLeaseSeconds"],
  ],
  [
    "Not used yet.",
    [
      "agentTickSeconds",
      "nodeLossTimeoutSeconds",
      "volumeBasePath",
      "backupPath",
      "backupIntervalMinutes",
    ],
  ],
];

/** Returns a file that says so, and parses to it. */
export function newClusterFile(
  { name, spec, isChosen = false }: NewClusterFile,
): string {
  const { clusterCIDR, serviceCIDR } = { ...SPEC_DEFAULTS, ...spec };
  const groups = GROUPS.map(([comment, names]) =>
    `  # ${comment}\n${
      names.map((field) => {
        const usual = SPEC_DEFAULTS[field];
        const value = spec[field] ?? usual;
        return `  ${value === usual ? "# " : ""}${field}: ${scalar(value)}\n`;
      }).join("")
    }`
  );
  const etcd = ETCD_NAMES.flatMap((field) => {
    const value = spec.etcd?.[field];
    return value === undefined ? [] : [`    ${field}: ${scalar(value)}\n`];
  });
  return `# A cluster of kat-agent: the same on each of its nodes.
# README explains every field; check a change with: kat-agent config validate FILE

apiVersion: ${API_VERSION}
kind: ${KIND}

metadata:
  name: ${JSON.stringify(name)}

spec:
  # The addresses of workloads and of services, which cannot change later.${
    isChosen
      ? `
  # No route of the machine on which this file was made leads to these two
  # networks; they must be free on the other nodes as well.`
      : ""
  }
  clusterCIDR: ${clusterCIDR}
  serviceCIDR: ${serviceCIDR}

  # What follows may be left out. A value behind "#" is the usual one.

${groups.join("\n")}${etcd.length === 0 ? "" : `\n  etcd:\n${etcd.join("")}`}`;
}

/** A value that YAML 1.1 and 1.2 read alike. */
function scalar(value: string | number): string {
  return typeof value === "number" || /^[a-z][a-z.]+$|^\/[\w./-]+$/.test(value)
    ? String(value)
    : JSON.stringify(value);
}
