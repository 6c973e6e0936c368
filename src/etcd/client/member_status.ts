/**
 * All members of a cluster with what each of them says of itself.
 *
 * @module
 */

import { EtcdCallError } from "./etcd_call_error.ts";
import {
  EtcdMaintenance,
  type EtcdMemberStatus,
  type MaintenanceOptions,
  readMemberStatus,
} from "./etcd_maintenance.ts";

/** A member, and what it says of itself. */
export interface ListedMember {
  /** Its name; empty if it has never started. */
  readonly name: string;
  /** As hexadecimal digits. */
  readonly memberId: string;
  /** Its client URL, or its peer URL as long as it has none. */
  readonly url: string;
  /** What it says; absent if it does not answer. */
  readonly status?: EtcdMemberStatus;
}

/** Options of {@linkcode listMembersWithStatus}. */
export interface ListMembersOptions extends MaintenanceOptions {
  /** Client URLs of the cluster. */
  readonly endpoints: readonly string[];
}

/**
 * Asks the cluster for its members, and each of them about itself.
 *
 * @throws {EtcdCallError} if nobody can list the members.
 */
export async function listMembersWithStatus(
  { endpoints, ...options }: ListMembersOptions,
): Promise<ListedMember[]> {
  using maintenance = new EtcdMaintenance(endpoints);
  const members = await maintenance.members(options);
  return await Promise.all(
    members.map(async ({ name, memberId, clientUrls, peerUrls }) => {
      const url = clientUrls[0] ?? peerUrls[0] ?? "";
      const status = await statusIfAnswering(url, options);
      return { name, memberId, url, ...(status ? { status } : {}) };
    }),
  );
}

/** What the member at `url` says of itself; `undefined` if it does not answer. */
export async function statusIfAnswering(
  url: string,
  options: MaintenanceOptions = {},
): Promise<EtcdMemberStatus | undefined> {
  try {
    return await readMemberStatus(url, options);
  } catch (error) {
    if (error instanceof EtcdCallError) return undefined;
    throw error;
  }
}

/**
 * What a member complains of that concerns itself: each member knows the
 * alarms of all.
 */
export function ownErrors(
  { errors, memberId }: Pick<EtcdMemberStatus, "errors" | "memberId">,
): string[] {
  return errors.map((error) => error.trim()).filter((error) => {
    const [, id] = /^memberID:(\d+) alarm:/.exec(error) ?? [];
    return id === undefined || BigInt(id).toString(16) === memberId;
  });
}

/** A member's name for a sentence. */
export function memberText(
  { name, url }: Pick<ListedMember, "name" | "url">,
): string {
  return name === "" ? `member at ${url}` : `member "${name}" at ${url}`;
}
