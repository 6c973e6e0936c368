/**
 * Disarms etcd's alarm for a full database after space was freed: the last step,
 * after compaction and defragmentation.
 *
 * @module
 */

import { byteText } from "../../base/byte_text.ts";
import { KatError } from "../../base/errors.ts";
import type { ProgressOptions } from "./compact_defrag.ts";
import { ClusterBinding } from "./cluster_binding.ts";
import { EtcdMaintenance } from "./etcd_maintenance.ts";
import {
  listMembersWithStatus,
  memberText,
  type MemberWithStatus,
} from "./member_status.ts";

/** The largest request that etcd accepts; with less free space, the alarm would soon be raised again. */
const LARGEST_REQUEST_BYTES = 1.5 * 1024 ** 2;

/** Options of {@linkcode disarmNoSpace}. */
export interface DisarmOptions extends ProgressOptions {
  /** The quota of members that do not report theirs, in bytes; etcd reports it since 3.6. */
  readonly quotaBytes?: number | undefined;
}

/** The result of {@linkcode disarmNoSpace}. */
export interface Disarming {
  /** The members whose alarm for space was disarmed. */
  readonly disarmed: readonly string[];
  /** The members with an alarm because their data differ; no command can fix that. */
  readonly corrupt: readonly string[];
}

/**
 * Disarms the alarms of members that were full and are not full any more.
 *
 * @throws {KatError} if a member still is, or its size is unknown; then no alarm
 * is disarmed.
 * @throws {EtcdCallError} if the cluster does not answer.
 */
export async function disarmNoSpace(
  { quotaBytes, endpoints, cluster = new ClusterBinding(), signal }:
    DisarmOptions,
): Promise<Disarming> {
  using maintenance = new EtcdMaintenance(endpoints, { cluster });
  const alarms = await maintenance.alarms({ signal });
  const members = await listMembersWithStatus({
    endpoints,
    cluster,
    signal,
  });
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
      } does not answer, so the size of its database is unknown`,
      { hint: "Start its agent first" },
    );
  }
  const quota = status.quotaBytes ?? quotaBytes;
  if (quota === undefined) {
    throw new KatError(
      `Cannot disarm: ${
        memberText(member)
      } does not report its quota, and the store holds no configuration of a cluster that sets it`,
      {
        hint:
          "Run etcdctl alarm disarm once the database is smaller than the quota",
      },
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
        : "Delete keys or run kat-agent etcd compact --keep 0, and then run kat-agent etcd defrag; or raise spec.etcd.quotaBackendBytes",
    },
  );
}
