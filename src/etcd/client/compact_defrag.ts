/**
 * Giving a full database room again, safely: compact, defragment, disarm, in
 * this order.
 *
 * @module
 */

import { Deadline } from "../../base/abortable.ts";
import { byteText } from "../../base/byte_text.ts";
import { systemClock } from "../../base/clock.ts";
import { KatError } from "../../base/errors.ts";
import { EtcdCallError } from "./etcd_call_error.ts";
import { defragmentMember, EtcdMaintenance } from "./etcd_maintenance.ts";
import {
  listMembersWithStatus,
  memberText,
  type MemberWithStatus,
  statusIfAnswering,
} from "./member_status.ts";

/** Options of the functions here. */
export interface ProgressOptions {
  /** Client URLs of the cluster. */
  readonly endpoints: readonly string[];
  /** Ends the wait; a step that was begun is finished by etcd. */
  readonly signal?: AbortSignal | undefined;
}

/** A member before and after a step. */
export interface DefragmentStep {
  /** Before. */
  readonly before: MemberWithStatus;
  /** After. */
  readonly after: MemberWithStatus;
}

/** How long a member may take to serve again once it was defragmented. */
const BACK_MS = 60_000;
/** The pause between two looks at it. */
const LOOK_MS = 50;

/** What {@linkcode compactHistory} did. */
export interface Compaction {
  /** The revision that is now the oldest one known. */
  readonly revision: bigint;
  /** Whether there was anything to forget. */
  readonly isNew: boolean;
  /** Each member before and after. */
  readonly members: readonly DefragmentStep[];
}

/**
 * Forgets the history of the store but for its last `keep` revisions; current
 * values stay. A watch that is further behind than that ends, and says so.
 *
 * @throws {EtcdCallError} if the cluster does not answer.
 */
export async function compactHistory(
  { keep, ...options }: ProgressOptions & {
    /** How many revisions before the current one stay readable. */
    readonly keep: bigint;
  },
): Promise<Compaction> {
  const before = await listMembersWithStatus(options);
  const revisions = before.map(({ status }) => status?.revision ?? 0n);
  const current = revisions.reduce((a, b) => a > b ? a : b, 0n);
  const revision = current - keep;
  const isNew = revision > 0n && await compact(revision, options);
  const after = isNew ? await listMembersWithStatus(options) : before;
  return {
    revision: revision > 0n ? revision : 0n,
    isNew,
    members: pair(before, after),
  };
}

/** Whether that was news to etcd. */
async function compact(
  revision: bigint,
  { endpoints, signal }: ProgressOptions,
): Promise<boolean> {
  using maintenance = new EtcdMaintenance(endpoints);
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
  /** Goes on although the cluster stops for as long as a member is away. */
  readonly force?: boolean | undefined;
  /** Told before the first step if the cluster has no member to spare. */
  readonly onPause?: (() => void) | undefined;
  /** Told after each member. */
  readonly onStep?: ((step: DefragmentStep) => void) | undefined;
  /** The space left where the named member keeps its data, if that is known. */
  readonly freeBytesOf?:
    | ((member: string) => Promise<number | undefined>)
    | undefined;
}

/**
 * Writes the databases anew without their gaps: one member after the other, for
 * none answers meanwhile, etcd's leader last, and each only when the one before
 * serves again.
 *
 * @throws {KatError} before the first step if that would stop a cluster one of
 * whose members is away, or if there is no room for the copy.
 * @throws {EtcdCallError} if the cluster does not answer.
 */
export async function defragmentMembers(
  options: DefragmentOptions,
): Promise<void> {
  const { signal, force = false, onPause, onStep, freeBytesOf } = options;
  const members = await listMembersWithStatus(options);
  const present = members.filter(({ status }) => status !== undefined);
  const away = members.filter(({ status }) => status === undefined);
  const majority = Math.floor(members.length / 2) + 1;
  if (present.length - 1 < majority) {
    if (away.length > 0 && !force) {
      throw new KatError(
        `Cannot defragment: ${
          away.map(memberText).join(", ")
        } does not answer, so that the cluster would stop while another member is defragmented`,
        {
          hint:
            "Start the missing agents first, or give --force if the cluster may stop for that time",
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
  const leads = ({ status }: MemberWithStatus) =>
    Number(status?.leaderId === status?.memberId);
  for (const before of present.toSorted((a, b) => leads(a) - leads(b))) {
    await defragmentMember(before.url, { signal });
    onStep?.({ before, after: await untilBack(before, signal) });
  }
}

/** Waits until the member serves again, so that there is never more than one away. */
async function untilBack(
  member: MemberWithStatus,
  signal: AbortSignal | undefined,
): Promise<MemberWithStatus> {
  using deadline = new Deadline(
    BACK_MS,
    () =>
      new KatError(
        `Cannot go on: ${
          memberText(member)
        } was defragmented and does not serve again`,
        {
          hint:
            "Look at the log of its agent; the members left were not touched",
        },
      ),
    [signal],
  );
  while (true) {
    const status = await statusIfAnswering(member.url, {
      signal: deadline.signal,
    });
    if (status !== undefined && status.leaderId !== "0") {
      return { ...member, status };
    }
    await systemClock.sleep(LOOK_MS, { signal: deadline.signal });
  }
}

function pair(
  before: readonly MemberWithStatus[],
  after: readonly MemberWithStatus[],
): DefragmentStep[] {
  return before.map((one) => ({
    before: one,
    after: after.find(({ memberId }) => memberId === one.memberId) ?? one,
  }));
}
