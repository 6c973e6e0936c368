/**
 * What a node refuses because its etcd is not what it was: another node's data,
 * a version that may not take it over, or an older state. Looking changes
 * nothing.
 *
 * @module
 */

import { KatError } from "../../base/errors.ts";
import { hostOf, urlOf } from "../../base/url.ts";
import { replaceMember } from "../../etcd/process/replace_member.ts";
import type { StorePosition } from "../../etcd/client/store_position.ts";
import { type EtcdVersion, parseEtcdVersion } from "../../etcd/etcd_version.ts";
import { forbiddenJump } from "../../etcd/version_jump.ts";
import { readLastIndex } from "../../etcd/data/wal_end.ts";
import { readWalIdentity } from "../../etcd/data/wal_identity.ts";
import type { DataPaths } from "../data_directory.ts";
import { type Identity, readIdentity } from "./identity.ts";
import type { NodeRecord } from "../node_record.ts";

/** Options of {@linkcode refuseOtherData}. */
export interface OtherDataOptions {
  /** Where things are in the data directory. */
  readonly paths: DataPaths;
  /** The etcd that is about to run. */
  readonly version: EtcdVersion;
}

/**
 * Compares etcd's data, before etcd starts, with what the node knows of it, and
 * returns that; `undefined` if it knows nothing yet.
 *
 * @throws {KatError} if the data is another node's or cluster's, older than
 * the node knew it, or this etcd may not take it over.
 */
export async function refuseOtherData(
  record:
    & Pick<NodeRecord, "nodeName" | "clusterUid" | "initialCluster">
    & Partial<Pick<NodeRecord, "clusterName" | "spec">>,
  { paths, version }: OtherDataOptions,
): Promise<Identity | undefined> {
  const identity = await readIdentity(paths.identity);
  if (identity === undefined) return undefined;
  const settings = [
    ["node", record.nodeName, identity.nodeName],
    ["cluster", record.clusterUid, identity.clusterUid],
  ] as const;
  for (const [what, own, other] of settings) {
    if (own === undefined || own === other) continue;
    throw new KatError(
      `Cannot use the data directory "${paths.root}": node.json is ${what} "${own}"'s, and identity.json ${what} "${other}"'s`,
      { hint: PUT_BACK },
    );
  }
  const jump = forbiddenJump({
    member: parseEtcdVersion(identity.etcdVersion),
    cluster: identity.clusterVersion === undefined
      ? undefined
      : parseEtcdVersion(identity.clusterVersion),
  }, version);
  if (jump !== undefined) {
    throw new KatError(
      `Cannot use the data directory "${paths.etcd}": ${jump.why}`,
      {
        hint:
          `${jump.hint}; or go on with etcd ${identity.etcdVersion}, named with --etcd-binary or spec.etcd.binary; nothing was touched`,
      },
    );
  }
  const found = await readWalIdentity(paths.etcd);
  if (found !== undefined && !isSame(identity, found)) {
    throw new KatError(
      `Cannot use the data directory "${paths.etcd}": it holds ${
        text(found)
      }, and this node is ${text(identity)}`,
      { hint: restoreHint(record, paths) },
    );
  }
  const { raftIndex = 0n } = identity;
  const end = raftIndex === 0n ? undefined : await readLastIndex(paths.etcd);
  if (end !== undefined && end < raftIndex) {
    throw new KatError(
      `Cannot use the data directory "${paths.etcd}": its write-ahead log ends at entry ${end}, and this node has seen entry ${raftIndex}: it is an older copy`,
      {
        hint: olderHint(record),
      },
    );
  }
  return identity;
}

const PUT_BACK =
  "Put this node's own directory back, or restore it from a backup; nothing was touched";
const GO_ON_OLDER =
  "Put back the newest data there is, from etcd's directory as it was or a backup; nothing was touched. If you want to go on from this older state, delete identity.json in the data directory and start again";

/** One of several nodes gets its data from the others, where a lone one has only this. */
function olderHint(
  { nodeName, initialCluster, spec }: Parameters<typeof refuseOtherData>[0],
): string {
  const own = initialCluster.find(({ name }) => name === nodeName);
  const [first] = initialCluster;
  if (initialCluster.length === 1 || !first) return GO_ON_OLDER;
  const port = spec?.etcdClientPort ?? 2379;
  const { peerUrl } = own ?? first;
  const steps = replaceMember({
    name: nodeName,
    peerUrl,
    initialCluster,
    clientUrls: [urlOf(hostOf(peerUrl), port)],
  });
  return `${GO_ON_OLDER}; what the other members have confirmed meanwhile may then be lost. To keep that, move this data directory away and ${steps}`;
}

/** How a snapshot becomes this node's data: etcd makes up what is not said. */
function restoreHint(
  { nodeName, initialCluster, clusterName }: Parameters<
    typeof refuseOtherData
  >[0],
  paths: DataPaths,
): string {
  const own = initialCluster.find(({ name }) => name === nodeName);
  const list = initialCluster.map(({ name, peerUrl }) => `${name}=${peerUrl}`);
  const every = initialCluster.length === 1
    ? ""
    : " (all nodes from the same FILE)";
  return `Put this node's own directory back; nothing was touched. A snapshot fits this node if it is restored${every} with: etcdutl snapshot restore FILE --data-dir ${paths.etcd} --name ${nodeName} --initial-cluster ${
    list.join(",")
  } --initial-cluster-token kat-${
    clusterName ?? "NAME"
  } --initial-advertise-peer-urls ${
    own?.peerUrl ?? "URL"
  } (with etcdutl 3.6 also --bump-revision 1000000000 --mark-compacted, or fences repeat); then delete identity.json in ${paths.root}`;
}

/** What is wrong with where a store is. */
export interface StepBack {
  /** A sentence without a full stop, to follow "Cannot serve:". */
  readonly why: string;
  /** What to do, as one sentence. */
  readonly hint: string;
}

/** Compares a store with what the node knows; `undefined` if it is the same one, as far or further. */
export function findStepBack(
  identity: Identity | undefined,
  found: StorePosition,
): StepBack | undefined {
  if (identity === undefined) return undefined;
  if (!isSame(identity, found)) {
    return {
      why: `etcd is ${text(found)}, and this node's is ${text(identity)}`,
      hint:
        "Put this node's own data directory back, or restore it from a backup",
    };
  }
  if (found.revision >= identity.revision) return undefined;
  return {
    why:
      `the store came back at revision ${found.revision}, and this node has seen revision ${identity.revision}: writes are lost`,
    hint:
      "Put back the newest data there is, from etcd's directory as it was or a backup; if you want to go on from this older state, delete identity.json in the data directory of each node and start again",
  };
}

/**
 * Refuses a store that is not the one that the node knows, or stepped back.
 *
 * @throws {KatError} with the reason.
 */
export function refuseStepBack(
  identity: Identity | undefined,
  found: StorePosition,
): void {
  const stepBack = findStepBack(identity, found);
  if (stepBack === undefined) return;
  throw new KatError(`Cannot serve: ${stepBack.why}`, { hint: stepBack.hint });
}

type Ids = Pick<Identity, "clusterId" | "memberId">;

function isSame(a: Ids, b: Ids): boolean {
  return a.clusterId === b.clusterId && a.memberId === b.memberId;
}

function text({ clusterId, memberId }: Ids): string {
  return `member ${memberId} of etcd cluster ${clusterId}`;
}
