/**
 * Whether one etcd may take over the data of another: pure.
 *
 * etcd goes up one minor version at a time, and never back once all members
 * agreed on a newer one (etcd.io/docs/v3.6/upgrades). It finds some of that out
 * itself, after it has touched the data; this is known before.
 *
 * @module
 */

import {
  compareEtcdVersions,
  type EtcdVersion,
  versionText,
} from "../etcd_version.ts";

/** What wrote the data. */
export interface DataWriter {
  /** The etcd that worked on it last. */
  readonly member: EtcdVersion;
  /** The minor version that all members of its cluster had agreed on, if known. */
  readonly cluster?: EtcdVersion | undefined;
}

/** Why an etcd may not take over. */
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

/** Returns why etcd `now` may not work on what `before` wrote; `undefined` if it may. */
export function forbiddenJump(
  before: DataWriter,
  now: EtcdVersion,
): ForbiddenJump | undefined {
  const { member, cluster = member } = before;
  const wrote = versionText(member);
  const runs = versionText(now);
  if (now.major !== member.major) {
    return {
      why: `etcd ${runs} cannot take over what etcd ${wrote} wrote`,
      hint: `Use etcd ${minorText(member)} again`,
    };
  }
  if (now.minor < cluster.minor) {
    return {
      why: `etcd ${runs} cannot go back behind etcd ${
        minorText(cluster)
      }, which wrote the data (${wrote})`,
      hint: `Use etcd ${
        minorText(cluster)
      } or newer, or restore a backup that etcd ${minorText(now)} made`,
    };
  }
  if (now.minor > member.minor + 1) {
    const next = { ...member, minor: member.minor + 1 };
    return {
      why: `etcd ${runs} skips a version: etcd ${wrote} wrote the data`,
      hint: `Run etcd ${
        minorText(next)
      } first, on all nodes, and then each version after it`,
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
