/**
 * The rules between fields of `spec`. Each is checked only when both of its
 * sides are right by themselves.
 *
 * @module
 */

import type { EtcdSpec } from "./cluster_config.ts";
import {
  addressBits,
  type Cidr,
  cidrsOverlap,
  parseCidr,
} from "./ip_address.ts";
import { PINNED_ETCD_VERSION } from "./pinned_etcd.ts";
import type { Place } from "./problem_list.ts";
import { quote } from "./rule.ts";
import type { PlainSpec } from "./spec_rules.ts";
import type { Field, FieldsOf } from "./yaml_mapping.ts";

/** A heartbeat alone makes an election time-out of ten; etcd takes 50 s at most. */
const LARGEST_HEARTBEAT_ALONE_MS = 5_000;

/** Takes what is wrong. */
export interface Problems {
  /** Takes a problem at a place. */
  report(place: Place, message: string): void;
}

/** A field whose value is right. */
interface KnownField<T> extends Field<T> {
  readonly value: T;
}

/** Reports what is wrong between the fields of `spec`, whose defaults are filled in. */
export function checkSpec(
  spec: FieldsOf<PlainSpec>,
  problems: Problems,
): void {
  checkNetworks(spec, problems);
  checkPorts(spec, problems);
  checkPaths(spec, problems);
  const { agentTickSeconds: tick, nodeLossTimeoutSeconds: loss } = spec;
  if (isKnown(tick) && isKnown(loss) && loss.value <= tick.value) {
    report(
      problems,
      [loss, tick],
      `found a nodeLossTimeoutSeconds of ${show(loss)} and an ` +
        `agentTickSeconds of ${show(tick)}, wanted the first to be greater`,
    );
  }
}

/** Reports what is wrong between the fields of `spec.etcd`. */
export function checkEtcd(
  etcd: FieldsOf<EtcdSpec>,
  problems: Problems,
): void {
  const { version, sha256, binary } = etcd;
  if (
    isKnown(version) && version.value !== PINNED_ETCD_VERSION &&
    sha256.place === undefined && binary.place === undefined
  ) {
    report(
      problems,
      [version],
      `found ${quote(version.value)}, whose SHA-256 is not known, wanted ` +
        "spec.etcd.sha256 or spec.etcd.binary beside it, or " +
        quote(PINNED_ETCD_VERSION),
    );
  }
  const { heartbeatIntervalMs: heartbeat, electionTimeoutMs: election } = etcd;
  if (!isKnown(heartbeat)) return;
  if (isKnown(election) && election.value < 5 * heartbeat.value) {
    report(
      problems,
      [election, heartbeat],
      `found an electionTimeoutMs of ${show(election)} and a ` +
        `heartbeatIntervalMs of ${show(heartbeat)}, wanted the first to be ` +
        "at least 5 times the second",
    );
  }
  const alone = election.place === undefined;
  if (alone && heartbeat.value > LARGEST_HEARTBEAT_ALONE_MS) {
    report(
      problems,
      [heartbeat],
      `found ${show(heartbeat)}, wanted an electionTimeoutMs beside it, or ` +
        `at most ${LARGEST_HEARTBEAT_ALONE_MS}`,
    );
  }
}

/** Returns the field with `value` where the file has none. */
export function withDefault<T>(
  field: Field<T>,
  value: T | undefined,
): Field<T> {
  return field.place === undefined ? { value, place: undefined } : field;
}

function checkNetworks(spec: FieldsOf<PlainSpec>, problems: Problems): void {
  const { clusterCIDR, serviceCIDR, nodeSubnetBits } = spec;
  const cluster = cidrOf(clusterCIDR);
  const service = cidrOf(serviceCIDR);
  if (cluster !== undefined && service !== undefined) {
    if (cluster.family !== service.family) {
      reportNetworks(spec, problems, {
        between: " beside",
        wanted: "both IPv4 or both IPv6",
      });
    } else if (cidrsOverlap(cluster, service)) {
      reportNetworks(spec, problems, {
        between: ", which overlaps",
        wanted: "two ranges without a common address",
      });
    }
  }
  if (cluster === undefined || !isKnown(nodeSubnetBits)) return;
  // A node needs its own address, its gateway's and the two that IPv4 reserves.
  const longest = addressBits(cluster.family) - 2;
  const prefix = cluster.prefix + nodeSubnetBits.value;
  if (prefix > longest) {
    report(
      problems,
      [nodeSubnetBits, clusterCIDR],
      `found nodeSubnetBits of ${show(nodeSubnetBits)}, which make a ` +
        `/${prefix} for each node out of ${quote(cluster.text)}, ` +
        `wanted at most /${longest}`,
    );
  }
}

/** Reports at the network that the file gives, or at the second of two. */
function reportNetworks(
  { clusterCIDR, serviceCIDR }: FieldsOf<PlainSpec>,
  problems: Problems,
  { between, wanted }: { readonly between: string; readonly wanted: string },
): void {
  const [found, other, otherName] = serviceCIDR.place === undefined
    ? [clusterCIDR, serviceCIDR, "serviceCIDR"]
    : [serviceCIDR, clusterCIDR, "clusterCIDR"];
  const isDefault = other.place === undefined;
  report(
    problems,
    [found],
    `found ${quote(String(found.value))}${between} the ${otherName} ` +
      `${quote(String(other.value))}${isDefault ? " (the default)" : ""}, ` +
      `wanted ${wanted}${isDefault ? `: give ${otherName} as well` : ""}`,
  );
}

function cidrOf(field: Field<string>): Cidr | undefined {
  if (field.value === undefined) return undefined;
  const checked = parseCidr(field.value);
  return "value" in checked ? checked.value : undefined;
}

function checkPorts(spec: FieldsOf<PlainSpec>, problems: Problems): void {
  const names = [
    "agentPort",
    "apiPort",
    "etcdPeerPort",
    "etcdClientPort",
  ] as const;
  for (const [index, name] of names.entries()) {
    for (const other of names.slice(0, index)) {
      const [port, otherPort] = [spec[name], spec[other]];
      if (!isKnown(port) || port.value !== otherPort.value) continue;
      const [at, beside] = port.place === undefined
        ? [otherPort, `spec.${name}`]
        : [port, `spec.${other}`];
      report(
        problems,
        [at],
        `found ${port.value}, which is also ${beside}` +
          `${
            port.place && otherPort.place ? "" : " (by default)"
          }, wanted two different ports`,
      );
    }
  }
}

/** A backup of the data must not hold itself, nor a workload's volume the agent's data. */
function checkPaths(spec: FieldsOf<PlainSpec>, problems: Problems): void {
  const { dataDir, backupPath, volumeBasePath } = spec;
  if (isKnown(backupPath) && backupPath.value === volumeBasePath.value) {
    report(
      problems,
      [backupPath, volumeBasePath],
      `found ${quote(backupPath.value)} as backupPath and as ` +
        "volumeBasePath, wanted two directories",
    );
  }
  // Without one in the file, the data directory is the node's own affair.
  if (!isKnown(dataDir) || dataDir.place === undefined) return;
  for (const name of ["backupPath", "volumeBasePath"] as const) {
    const outer = spec[name].value;
    if (outer !== undefined && `${dataDir.value}/`.startsWith(`${outer}/`)) {
      report(
        problems,
        [dataDir],
        `found ${quote(dataDir.value)}, which lies in the ${name} ` +
          `${quote(outer)}, wanted it elsewhere`,
      );
    }
  }
}

function isKnown<T>(field: Field<T>): field is KnownField<T> {
  return field.value !== undefined;
}

/** The value, and whether the file says so. */
function show(field: KnownField<number>): string {
  return `${field.value}${field.place === undefined ? " (the default)" : ""}`;
}

/** Reports at the first of `fields` that is in the file; one of them is. */
function report(
  problems: Problems,
  fields: readonly Field<unknown>[],
  message: string,
): void {
  const place = fields.find((field) => field.place !== undefined)?.place;
  if (place !== undefined) problems.report(place, message);
}
