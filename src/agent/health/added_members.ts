/**
 * Members that somebody added to etcd. Apart from {@linkcode missingPeers},
 * because the thread that runs etcd is not to load what speaks with it.
 *
 * @module
 */

import type { InitialMember } from "../../config/node_settings.ts";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { OwnEndpoint } from "../../etcd/client/etcd_client.ts";
import { EtcdMaintenance } from "../../etcd/client/etcd_maintenance.ts";

/** Options of {@linkcode addedMembers}. */
export interface AddedMembersOptions {
  /** The client URL of the node's own member, which knows the list without the others. */
  readonly endpoint: string;
  /** Says whether that member holds its port. */
  readonly own?: OwnEndpoint | undefined;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

/**
 * The members that etcd counts although the cluster was not made of them: what
 * this agent may not connect to, and can only name.
 */
export async function addedMembers(
  members: readonly InitialMember[],
  { endpoint, own, signal }: AddedMembersOptions,
): Promise<string[]> {
  using maintenance = new EtcdMaintenance([endpoint], { own });
  try {
    const listed = await maintenance.members({
      own,
      signal,
      needsLeader: false,
    });
    const known = new Set(members.map(({ peerUrl }) => peerUrl));
    return listed.filter(({ peerUrls }) =>
      !peerUrls.some((url) => known.has(url))
    ).map(({ name, peerUrls: [url = "no URL"] }) =>
      name === ""
        ? `the member at ${url}, which was added to etcd and has never started`
        : `${name} (${url}), which was added to etcd, if it does not run`
    );
  } catch (error) {
    if (error instanceof EtcdCallError) return [];
    throw error;
  }
}
