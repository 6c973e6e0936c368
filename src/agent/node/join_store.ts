/**
 * The last step of a start, and the node's life: it takes part in its cluster
 * until it is told to stop.
 *
 * @module
 */

import { ThreadError } from "../../base/worker/thread_error.ts";
import type { ClusterSpec } from "../../config/cluster_config.ts";
import { followCluster, sharedSpec } from "../../config/shared_spec.ts";
import { versionText } from "../../etcd/etcd_version.ts";
import { findStepBack } from "../identity/refuse_identity.ts";
import type { NodeRecord } from "../node_record.ts";
import type { Report } from "../node_state.ts";
import type { MemberPart } from "../parts/member_part.ts";
import type { StoreHost, StorePart } from "../parts/store_part.ts";
import type { ClaimedNode } from "./claim_node.ts";
import type { NodePlan } from "./plan_node.ts";

/** Options of {@linkcode joinStore}. */
export interface JoinStoreOptions {
  /** The store part. */
  readonly store: StorePart;
  /** The member part, whose etcd serves. */
  readonly member: MemberPart;
  /** What was found when the node took its place. */
  readonly claim: ClaimedNode;
  /** Whether cluster.kat itself says `leaderLeaseSeconds`; unknown without the file. */
  readonly isLeaseGiven?: boolean | undefined;
  /** Takes note of what has changed. */
  readonly report?: Report | undefined;
  /** Ends it, in order. */
  readonly signal: AbortSignal;
}

/**
 * Takes part until the signal aborts, or the member cannot be kept running.
 *
 * @throws {KatError} if the store holds another cluster than it should, or with
 * the reason why the member failed.
 */
export async function joinStore(
  plan: NodePlan,
  { store, member, claim, isLeaseGiven, report, signal }: JoinStoreOptions,
): Promise<void> {
  const { record, endpoints, members, entry } = plan;
  const wantedSpec = entry.kind === "join" ? undefined : entry.wantedSpec;
  await store.serve({
    endpoints,
    nodeName: record.nodeName,
    members,
    entry,
    own: {
      identity: claim.identity,
      etcdVersion: versionText(claim.etcd.version),
      timing: record.timing,
      electionKey: record.electionKey,
      probe: claim.probe,
      isLeaseGiven,
      isLeaseKept: isLeaseKept(record, isLeaseGiven),
    },
  }, {
    host: storeHost(claim.record, {
      claim,
      member,
      report,
      wantedSpec,
      isLeaseGiven,
    }),
    signal: AbortSignal.any([signal, member.failed]),
  });
  if (member.failed.aborted) throw member.failed.reason;
}

/**
 * Whether cluster.kat says of the lease what it said when it was last applied.
 * A node of an older agent remembers that by its timing only.
 */
function isLeaseKept(
  { isLeaseGiven, timing }: NodeRecord,
  isGiven: boolean | undefined,
): boolean {
  const before = isLeaseGiven ??
    (timing && timing.leaderLeaseSeconds === undefined);
  return before === undefined || before === isGiven;
}

/** What the store part asks of the member part, which has the files, as far as it fits what is known here. */
function storeHost(
  record: NodeRecord,
  { member, claim, report, wantedSpec, isLeaseGiven }:
    & Pick<JoinStoreOptions, "claim" | "member" | "report" | "isLeaseGiven">
    & { readonly wantedSpec: ClusterSpec | undefined },
): StoreHost {
  let known = record;
  let last = Promise.resolve();
  // One after the other, so that what is known last is what stays.
  const remember = (changes: Partial<NodeRecord>) => {
    known = { ...known, ...changes };
    return last = last.catch(() => {}).then(() => member.keepRecord(known));
  };
  return {
    report: (progress) => report?.(progress),
    keepCluster({ uid, spec }) {
      const first = known.state !== "ready";
      if (!first && uid !== known.clusterUid) {
        throw new ThreadError(`told of another cluster, ${uid}`);
      }
      return remember({
        state: "ready",
        clusterUid: uid,
        spec: followCluster(record.spec, spec, { first }),
        ...(wantedSpec ? { appliedSpec: sharedSpec(wantedSpec) } : {}),
      });
    },
    keepElectionKey: (electionKey) => remember({ electionKey }),
    keepIdentity(identity) {
      const version = versionText(claim.etcd.version);
      const isOurs = identity.nodeName === known.nodeName &&
        identity.clusterUid === known.clusterUid &&
        identity.etcdVersion === version &&
        findStepBack(claim.identity, identity) === undefined;
      if (!isOurs) throw new ThreadError("told of another node's data");
      return member.keepIdentity(identity);
    },
    keepTiming: (timing) =>
      remember({
        timing,
        isLeaseGiven: isLeaseGiven ?? known.isLeaseGiven,
      }),
    probeDisk: () => member.probeDisk(),
    diskSpace: () => member.diskSpace(),
    portHolder: () => member.portHolder(),
  };
}
