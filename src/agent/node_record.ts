/**
 * What a node remembers of itself between two runs: `node.json` in its data
 * directory.
 *
 * It is written before etcd is first started, so that a directory tells whose
 * it is from the first moment, and again once the cluster is known.
 *
 * @module
 */

import * as v from "valibot";
import { KatError, messageOf } from "../base/errors.ts";
import { parseJson } from "../base/parse_json.ts";
import type { ClusterSpec } from "../config/cluster_config.ts";
import { parseIpAddress } from "../config/ip_address.ts";
import { type ClusterTiming, TimingSchema } from "../cluster/cluster_timing.ts";
import type { InitialMember } from "../config/node_settings.ts";
import type { KnownProgram } from "../etcd/release/etcd_cache.ts";
import { orderSpec, type SharedSpec } from "../config/shared_spec.ts";
import { readNodeSpec, readSharedSpec } from "../config/stored_spec.ts";

/** An etcd that a node started. */
export interface LastEtcd {
  /** Its path. */
  readonly binary: string;
  /** Its version, as `3.6.14`. */
  readonly version: string;
  /** Its SHA-256, if it was seen to come from its archive. */
  readonly sha256?: string | undefined;
}

/** A node's memory. */
export interface NodeRecord {
  /** `initialising` until the cluster's UID was found in the store. */
  readonly state: "initialising" | "ready";
  /** `metadata.name` of cluster.kat. */
  readonly clusterName: string;
  /** The cluster's UUID, once known. */
  readonly clusterUid?: string | undefined;
  /** The node's name, and its leader ID. */
  readonly nodeName: string;
  /** The IP address that the other nodes reach it at. */
  readonly advertiseAddress: string;
  /** The members that the cluster was made of, as `--initial-cluster` says them. */
  readonly initialCluster: readonly InitialMember[];
  /** The timing that the cluster had settled on when this node last served. */
  readonly timing?: ClusterTiming | undefined;
  /** The key under which its agent last stood in the election, for the next one to end. */
  readonly electionKey?: string | undefined;
  /** The etcd from a cache that it last ran, once that was seen to come from its archive. */
  readonly knownEtcd?: KnownProgram | undefined;
  /** What cluster.kat said when this node last applied it: only what is new in the file is applied. */
  readonly appliedSpec?: SharedSpec | undefined;
  /** Whether cluster.kat said `leaderLeaseSeconds` then. */
  readonly isLeaseGiven?: boolean | undefined;
  /** The etcd that it last started. */
  readonly lastEtcd?: LastEtcd | undefined;
  /** The cluster's configuration as this node last knew it. */
  readonly spec: ClusterSpec;
}

const FORMAT_VERSION = 1;

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const RecordSchema = v.object({
  formatVersion: v.number(),
  state: v.picklist(["initialising", "ready"]),
  clusterName: v.string(),
  clusterUid: v.optional(v.string()),
  nodeName: v.string(),
  advertiseAddress: v.pipe(v.string(), v.check(isAddress)),
  initialCluster: v.array(
    v.object({ name: v.string(), peerUrl: v.pipe(v.string(), v.check(isUrl)) }),
  ),
  timing: v.optional(TimingSchema),
  electionKey: v.optional(v.string()),
  knownEtcd: v.optional(v.object({ archiveSha256: sha256, sha256 })),
  isLeaseGiven: v.optional(v.boolean()),
  appliedSpec: v.optional(v.record(v.string(), v.unknown())),
  lastEtcd: v.optional(
    v.object({
      binary: v.string(),
      version: v.pipe(v.string(), v.regex(/^\d{1,9}\.\d{1,9}\.\d{1,9}$/)),
      sha256: v.optional(sha256),
    }),
  ),
  spec: v.record(v.string(), v.unknown()),
});

/** The text of `node.json`. */
export function encodeNodeRecord({ spec, ...rest }: NodeRecord): string {
  const whole = {
    formatVersion: FORMAT_VERSION,
    ...rest,
    spec: orderSpec(spec),
  };
  return JSON.stringify(whole, undefined, 2) + "\n";
}

/**
 * Reads the text of `node.json`; `path` is for the message.
 *
 * @throws {KatError} if it is damaged, or was written by a newer kat-agent.
 */
export function decodeNodeRecord(text: string, path: string): NodeRecord {
  let raw: unknown;
  try {
    raw = parseJson(text);
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
  const parsed = v.safeParse(RecordSchema, raw);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    const where = v.getDotPath(issue);
    throw damaged(path, where === null ? issue.message : `"${where}" is wrong`);
  }
  const { formatVersion, spec, appliedSpec, ...rest } = parsed.output;
  if (formatVersion !== FORMAT_VERSION) {
    throw new KatError(
      `Cannot read ${path}: it has format ${formatVersion}, and this kat-agent knows ${FORMAT_VERSION}`,
      { hint: "Use the kat-agent that wrote it, or a newer one" },
    );
  }
  try {
    const applied = appliedSpec && readSharedSpec(appliedSpec);
    return {
      ...rest,
      ...(applied ? { appliedSpec: applied } : {}),
      spec: readNodeSpec(spec),
    };
  } catch (error) {
    throw damaged(path, `"spec" is wrong (${messageOf(error)})`, error);
  }
}

function isAddress(text: string): boolean {
  return "value" in parseIpAddress(text);
}

/** As the agent writes them: a scheme, an address, a port. */
function isUrl(text: string): boolean {
  return /^http:\/\/[^/]+:\d+$/.test(text) && URL.canParse(text);
}

function damaged(path: string, why: string, cause?: unknown): KatError {
  return new KatError(`Cannot read ${path}: ${why}`, {
    cause,
    hint:
      "It was damaged from outside, or with its disk. Put it back from a backup of this node; etcd's data beside it was not touched",
  });
}
