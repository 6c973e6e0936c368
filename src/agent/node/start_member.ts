/**
 * The third step of a start: a node's etcd runs and serves, and the main thread
 * has given up its rights.
 *
 * @module
 */

import { dropPermissions } from "../../base/drop_permissions.ts";
import { logger } from "../../base/log.ts";
import { versionText } from "../../etcd/etcd_version.ts";
import type { PartsWatch } from "../health/watch_parts.ts";
import type { Report } from "../node_state.ts";
import type { MemberPart } from "../parts/member_part.ts";
import type { ClaimedNode } from "./claim_node.ts";
import type { EarlyWorkers } from "./early_workers.ts";
import type { NodePlan } from "./plan_node.ts";

/** Options of {@linkcode startMember}. */
export interface StartMemberOptions {
  /** The place in which it runs. */
  readonly claim: ClaimedNode;
  /** The threads of the node. */
  readonly workers: EarlyWorkers;
  /** Notices when one stands still. */
  readonly watch: PartsWatch;
  /** Sockets that the agent goes on to write to. */
  readonly sockets: readonly string[];
  /** Takes note of what has changed. */
  readonly report?: Report | undefined;
  /** Cancels the start. */
  readonly signal: AbortSignal;
}

/**
 * Starts a node's etcd, or adopts the one that runs. Resolves once it serves,
 * which needs a majority of the members; disposing of the result stops it.
 *
 * @throws {KatError} if it cannot be started.
 */
export async function startMember(
  { record, members, endpoints }: NodePlan,
  { claim, workers, watch, sockets, report, signal }: StartMemberOptions,
): Promise<MemberPart> {
  const { etcd, adopted, identity } = claim;
  const { store } = workers;
  const version = versionText(etcd.version);
  report?.({ etcdVersion: version });
  await using stack = new AsyncDisposableStack();
  const member = stack.use(await workers.takeMember(etcd.binary));
  watch.add(member);
  const giveUpRights = (keep?: readonly ["run"]) =>
    dropPermissions({ sockets, after: [member, store], keep });
  member.serve({
    etcd,
    nodeName: record.nodeName,
    members,
    adoptPid: adopted?.pid,
  }, {
    network: store,
    report(progress) {
      report?.(progress);
      const { state } = progress.etcd ?? {};
      if (state === "starting") {
        workers.connectStore(member, { clusterId: identity?.clusterId });
      }
      // Ends the term at once instead of waiting for the lease to expire.
      if (state === "exited") store.endTerm("its etcd ended");
    },
    orphan: adopted && {
      signal: adopted.signal,
      async isRunning() {
        const isRunning = await adopted.isRunning();
        if (!isRunning) await giveUpRights();
        return isRunning;
      },
    },
  });
  report?.({ parts: [store, member] });
  // From here on the two threads do all, with rights of their own. Only to stop
  // an etcd that is no child of the agent takes a right of this thread.
  await Promise.all([
    member.untilServing({ signal }),
    giveUpRights(adopted ? ["run"] : undefined),
  ]);
  logger("agent").info("Successfully initialized etcd", {
    version,
    endpoint: endpoints[0],
  });
  stack.move();
  return member;
}
