/**
 * Tells etcd the address of a node that was given another one. A member that is
 * alone starts with any address; what it remembers matters once it has peers.
 *
 * @module
 */

import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import type { InitialMember } from "../../config/node_settings.ts";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import { EtcdMaintenance } from "../../etcd/client/etcd_maintenance.ts";
import type { PositionOptions } from "./keep_identity.ts";

/**
 * Compares the peer URL that etcd has for its only member with the one that the
 * node has now, and corrects it. Does nothing for one of several members.
 */
export async function keepPeerUrl(
  members: readonly InitialMember[],
  { endpoint, own, signal }: PositionOptions,
): Promise<void> {
  const [only, ...others] = members;
  if (only === undefined || others.length > 0) return;
  const { peerUrl } = only;
  using maintenance = new EtcdMaintenance([endpoint], { own });
  try {
    const listed = await maintenance.members({ own, signal });
    const [member] = listed;
    if (member === undefined || listed.length > 1) return;
    if (member.peerUrls.join() === peerUrl) return;
    const { memberId } = member;
    await maintenance.updatePeerUrl({ memberId, peerUrl }, { own, signal });
    logger("agent").info("Told etcd the new address of this node", {
      from: member.peerUrls.join(),
      to: peerUrl,
    });
  } catch (error) {
    if (!(error instanceof EtcdCallError)) throw error;
    logger("agent").warn("Cannot tell etcd the new address of this node", {
      reason: messageOf(error),
    });
  }
}
