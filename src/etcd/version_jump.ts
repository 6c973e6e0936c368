/**
 * Whether one version of etcd may run on the data of another: pure.
 *
 * etcd upgrades by one minor version at a time, and never goes back once all
 * members agreed on a newer one (etcd.io/docs/v3.6/upgrades). etcd checks a part
 * of that itself, but only after it has changed the data.
 *
 * @module
 */

import {
  compareEtcdVersions,
  type EtcdVersion,
  versionText,
} from "./etcd_version.ts";

/** The versions of etcd that wrote the data. */
export interface DataWriter {
  /** The etcd that ran on it last. */
  readonly member: EtcdVersion;
  /** The minor version that all members of its cluster had agreed on, if known. */
  readonly cluster?: EtcdVersion | undefined;
}

/** Why a version of etcd may not run on the data. */
export interface ForbiddenJump {
  /** A clause, as `etcd 3.4.23 cannot …`. */
  readonly why: string;
  /** What to do, as one sentence. */
  readonly hint: string;
}

/**
 * The first 3.5 that hands its member list to 3.6 as it is. Earlier ones may
 * leave members in it that were removed long ago, or make voters learners
 * (etcd.io/blog/2025/upgrade_from_3.5_to_3.6_issue).
 */
const LAST_STEP_TO_3_6: EtcdVersion = { major: 3, minor: 5, patch: 26 };

/** Returns why etcd `now` may not run on what `before` wrote; `undefined` if it may. */
export function forbiddenJump(
  before: DataWriter,
  now: EtcdVersion,
): ForbiddenJump | undefined {
  const { member, cluster = member } = before;
  const wrote = versionText(member);
  const runs = versionText(now);
  if (now.major !== member.major) {
    return {
      why: `etcd ${runs} cannot run on data that etcd ${wrote} wrote`,
      hint: `Use etcd ${minorText(member)} again`,
    };
  }
  if (now.minor < cluster.minor) {
    return {
      why:
        `etcd ${runs} is too old for data that etcd ${wrote} wrote in a cluster of version ${
          minorText(cluster)
        }`,
      hint: `Use etcd ${
        minorText(cluster)
      } or newer, or restore a backup that was made with etcd ${
        minorText(now)
      }`,
    };
  }
  if (now.minor > member.minor + 1) {
    const next = { ...member, minor: member.minor + 1 };
    return {
      why:
        `etcd ${runs} is more than one minor version newer than etcd ${wrote}, which wrote the data`,
      hint: `Run etcd ${minorText(next)} first${
        next.minor === LAST_STEP_TO_3_6.minor
          ? ` (${versionText(LAST_STEP_TO_3_6)} or later)`
          : ""
      }, on all nodes, and then each version after it`,
    };
  }
  if (
    now.minor === LAST_STEP_TO_3_6.minor + 1 &&
    member.minor === LAST_STEP_TO_3_6.minor &&
    compareEtcdVersions(member, LAST_STEP_TO_3_6) < 0
  ) {
    return {
      why:
        `etcd ${runs} may misread the list of members that etcd ${wrote} wrote`,
      hint: `Run etcd ${
        versionText(LAST_STEP_TO_3_6)
      } or a later 3.5 first, on all nodes`,
    };
  }
  return undefined;
}

function minorText({ major, minor }: EtcdVersion): string {
  return `${major}.${minor}`;
}
