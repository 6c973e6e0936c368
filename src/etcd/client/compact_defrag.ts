/**
 * Frees space in a cluster's databases without stopping more of the cluster than
 * needed: compaction and defragmentation, in this order. Disarming the alarm
 * afterwards is left to `disarm_no_space`.
 *
 * @module
 */

import { Deadline } from "../../base/abortable.ts";
import { byteText } from "../../base/byte_text.ts";
import { systemClock } from "../../base/clock.ts";
import { KatError } from "../../base/errors.ts";
import { ClusterBinding } from "./cluster_binding.ts";
import { EtcdCallError } from "./etcd_call_error.ts";
import { defragmentMember, EtcdMaintenance } from "./etcd_maintenance.ts";
import {
  listMembersWithStatus,
  memberText,
  type MemberWithStatus,
  statusIfAnswering,
} from "./member_status.ts";

/** Options of all functions that maintain a cluster. */
export interface ProgressOptions {
  /** Client URLs of the cluster. */
  readonly endpoints: readonly string[];
  /** The one cluster whose answers are taken. @default {that of the first answer} */
  readonly cluster?: ClusterBinding | undefined;
  /** Ends the wait; etcd finishes a step that it has begun. */
  readonly signal?: AbortSignal | undefined;
}

/** A member before and after a step. */
export interface DefragmentStep {
  /** Before. */
  readonly before: MemberWithStatus;
  /** After. */
  readonly after: MemberWithStatus;
}

/** How long a member may take to serve again after it was defragmented. */
const SERVING_AGAIN_MS = 60_000;
/** The pause between two checks whether it serves. */
const CHECK_INTERVAL_MS = 50;

/** The result of {@linkcode compactHistory}. */
export interface Compaction {
  /** The oldest revision that can still be read. */
  readonly revision: bigint;
  /** Whether older ones were deleted now; false if there were none. */
  readonly isNew: boolean;
  /** Each member before and after. */
  readonly members: readonly DefragmentStep[];
}

/**
 * Deletes the old versions of keys, except those of the last `keep` revisions;
 * current values stay. A watch that is further behind ends with an error.
 *
 * @throws {EtcdCallError} if the cluster does not answer.
 */
export async function compactHistory(
  { keep, cluster = new ClusterBinding(), ...rest }: ProgressOptions & {
    /** How many revisions before the current one stay readable. */
    readonly keep: bigint;
  },
): Promise<Compaction> {
  const options = { cluster, ...rest };
  const before = await listMembersWithStatus(options);
  const revisions = before.map(({ status }) => status?.revision ?? 0n);
  const current = revisions.reduce((a, b) => a > b ? a : b, 0n);
  const revision = current - keep;
  const isNew = revision > 0n &&
    await compact(revision, options);
  const after = isNew ? await listMembersWithStatus(options) : before;
  return {
    revision: revision > 0n ? revision : 0n,
    isNew,
    members: pair(before, after),
  };
}

/** Returns false if etcd had compacted up to that revision before. */
async function compact(
  revision: bigint,
  { endpoints, cluster, signal }: ProgressOptions,
): Promise<boolean> {
  using maintenance = new EtcdMaintenance(endpoints, { cluster });
  try {
    await maintenance.compact(revision, { signal });
    return true;
  } catch (error) {
    if (error instanceof EtcdCallError && error.failure === "compacted") {
      return false;
    }
    throw error;
  }
}

/** Options of {@linkcode defragmentMembers}. */
export interface DefragmentOptions extends ProgressOptions {
  /** Goes on even if the cluster stops while a member is being defragmented. */
  readonly force?: boolean | undefined;
  /** Called before the first step if the cluster stops during each step. */
  readonly onPause?: (() => void) | undefined;
  /** Called after each member. */
  readonly onStep?: ((step: DefragmentStep) => void) | undefined;
  /** Returns the free space on the disk of the named member, if that is known. */
  readonly freeBytesOf?:
    | ((member: string) => Promise<number | undefined>)
    | undefined;
}

/**
 * Rewrites the databases without their gaps. A member answers no request
 * meanwhile, so it does one after the other, each after the previous one serves
 * again, and etcd's leader last.
 *
 * @throws {KatError} before the first step if a member does not answer and the
 * cluster would stop, or if a disk has no space for the copy.
 * @throws {EtcdCallError} if the cluster does not answer.
 */
export async function defragmentMembers(
  options: DefragmentOptions,
): Promise<void> {
  const {
    endpoints,
    cluster = new ClusterBinding(),
    signal,
    force = false,
    onPause,
    onStep,
    freeBytesOf,
  } = options;
  const members = await listMembersWithStatus({ endpoints, cluster, signal });
  const present = members.filter(({ status }) => status !== undefined);
  const away = members.filter(({ status }) => status === undefined);
  const majority = Math.floor(members.length / 2) + 1;
  if (present.length - 1 < majority) {
    if (away.length > 0 && !force) {
      throw new KatError(
        `Cannot defragment: ${
          away.map(memberText).join(", ")
        } does not answer, so the cluster would stop while another member is defragmented`,
        {
          hint:
            "Start the agents of those members first, or give --force if the cluster may stop for that time",
        },
      );
    }
    onPause?.();
  }
  for (const member of present) {
    const free = await freeBytesOf?.(member.name);
    const needed = member.status?.dbBytesInUse ?? 0;
    if (free === undefined || free > needed) continue;
    throw new KatError(
      `Cannot defragment: the disk of ${memberText(member)} has ${
        byteText(free)
      } left, and the copy of its database needs ${byteText(needed)}`,
      { hint: "Free space on that disk first" },
    );
  }
  const isLeader = ({ status }: MemberWithStatus) =>
    Number(status?.leaderId === status?.memberId);
  for (const before of present.toSorted((a, b) => isLeader(a) - isLeader(b))) {
    await defragmentMember(before.url, { cluster, signal });
    const after = await waitUntilServing(before, { cluster, signal });
    onStep?.({ before, after });
  }
}

/** Waits until the member serves again, so that never more than one member is away. */
async function waitUntilServing(
  member: MemberWithStatus,
  { cluster, signal }: {
    readonly cluster: ClusterBinding;
    readonly signal: AbortSignal | undefined;
  },
): Promise<MemberWithStatus> {
  using deadline = new Deadline(
    SERVING_AGAIN_MS,
    () =>
      new KatError(
        `Cannot go on: ${
          memberText(member)
        } was defragmented and does not serve again`,
        {
          hint:
            "Read the log of its agent; the remaining members were not defragmented",
        },
      ),
    [signal],
  );
  while (true) {
    const status = await statusIfAnswering(member.url, {
      cluster,
      signal: deadline.signal,
    });
    if (status !== undefined && status.leaderId !== "0") {
      return { ...member, status };
    }
    await systemClock.sleep(CHECK_INTERVAL_MS, { signal: deadline.signal });
  }
}

function pair(
  before: readonly MemberWithStatus[],
  after: readonly MemberWithStatus[],
): DefragmentStep[] {
  return before.map((member) => ({
    before: member,
    after: after.find(({ memberId }) => memberId === member.memberId) ?? member,
  }));
}
