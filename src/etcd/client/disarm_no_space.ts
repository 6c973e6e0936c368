/**
 * Takes back etcd's alarm for a full database, once there is room again: the
 * last step after compacting and defragmenting.
 *
 * @module
 */

import { byteText } from "../../base/byte_text.ts";
import { KatError } from "../../base/errors.ts";
import type { ProgressOptions } from "./compact_defrag.ts";
import { EtcdMaintenance } from "./etcd_maintenance.ts";
import {
  listMembersWithStatus,
  memberText,
  type MemberWithStatus,
} from "./member_status.ts";

/** etcd takes no larger one; with less room than that, the alarm would soon be back. */
const LARGEST_REQUEST_BYTES = 1.5 * 1024 ** 2;

/** Options of {@linkcode disarmNoSpace}. */
export interface DisarmOptions extends ProgressOptions {
  /** The quota of members that do not tell theirs, in bytes; etcd tells it since 3.6. */
  readonly quotaBytes?: number | undefined;
}

/** What {@linkcode disarmNoSpace} did. */
export interface Disarming {
  /** The members whose alarm for space was taken back. */
  readonly disarmed: readonly string[];
  /** The members whose data differ: no command mends that. */
  readonly corrupt: readonly string[];
}

/**
 * Takes back the alarms of members that were full and are no longer.
 *
 * @throws {KatError} if one still is, or its size cannot be known; nothing is
 * then taken back.
 * @throws {EtcdCallError} if the cluster does not answer.
 */
export async function disarmNoSpace(
  { quotaBytes, endpoints, signal }: DisarmOptions,
): Promise<Disarming> {
  using maintenance = new EtcdMaintenance(endpoints);
  const alarms = await maintenance.alarms({ signal });
  const members = await listMembersWithStatus({ endpoints, signal });
  const memberOf = (id: string) =>
    members.find(({ memberId }) => memberId === id);
  const nameOf = (id: string) => {
    const member = memberOf(id);
    return member ? memberText(member) : `member ${id}, which was removed`;
  };
  const full = alarms.filter(({ kind }) => kind === "nospace");
  for (const { memberId } of full) {
    const member = memberOf(memberId);
    if (member) refuseIfFull(member, quotaBytes);
  }
  for (const alarm of full) await maintenance.disarm(alarm, { signal });
  return {
    disarmed: full.map(({ memberId }) => nameOf(memberId)),
    corrupt: alarms.filter(({ kind }) => kind === "corrupt")
      .map(({ memberId }) => nameOf(memberId)),
  };
}

function refuseIfFull(
  member: MemberWithStatus,
  quotaBytes: number | undefined,
): void {
  const { status } = member;
  if (status === undefined) {
    throw new KatError(
      `Cannot disarm: ${
        memberText(member)
      } does not answer, so that its size is unknown`,
      { hint: "Start its agent first" },
    );
  }
  const quota = status.quotaBytes ?? quotaBytes;
  if (quota === undefined) {
    throw new KatError(
      `Cannot disarm: ${
        memberText(member)
      } does not tell its quota, and the store holds no cluster that would`,
      { hint: "Use etcdctl alarm disarm once its database is below the quota" },
    );
  }
  if (status.dbBytes + LARGEST_REQUEST_BYTES <= quota) return;
  throw new KatError(
    `Cannot disarm: the database of ${memberText(member)} has ${
      byteText(status.dbBytes)
    }, and its quota is ${byteText(quota)}`,
    {
      hint: status.dbBytesInUse + LARGEST_REQUEST_BYTES <= quota
        ? "Run kat-agent etcd compact and then kat-agent etcd defrag first, or raise spec.etcd.quotaBackendBytes"
        : "Delete keys or run kat-agent etcd compact --keep 0, and then kat-agent etcd defrag; or raise spec.etcd.quotaBackendBytes",
    },
  );
}
