/**
 * A node from its start to its end, in four steps: inspect the directory, claim
 * it, start the member, join the store. They start in the order of the lines
 * and stop in the reverse.
 *
 * @module
 */

import { logger } from "../../base/log.ts";
import { settleMemory } from "../../base/settle_memory.ts";
import { isLoopback } from "../../base/url.ts";
import type { ClusterSpec } from "../../config/cluster_config.ts";
import { PartsWatch } from "../health/watch_parts.ts";
import { readIdentity } from "../identity/identity.ts";
import {
  findRegistered,
  notePath,
  registerNode,
} from "../identity/node_register.ts";
import {
  refuseOlderCopy,
  refuseVanished,
} from "../identity/refuse_vanished.ts";
import type { NodeRecord } from "../node_record.ts";
import { claimNode, type ClaimOptions } from "./claim_node.ts";
import { EarlyWorkers, type EarlyWorkersOptions } from "./early_workers.ts";
import {
  type InspectedNode,
  inspectNode,
  type InspectOptions,
} from "./inspect_node.ts";
import { joinStore, type JoinStoreOptions } from "./join_store.ts";
import { planNode } from "./plan_node.ts";
import { startMember, type StartMemberOptions } from "./start_member.ts";
import type { WantedNode } from "./wanted_node.ts";

/** What a node needs besides its settings. */
export interface AgentOptions
  extends
    Omit<EarlyWorkersOptions, "note">,
    Pick<ClaimOptions, "findEtcd">,
    Pick<StartMemberOptions, "sockets">,
    Pick<JoinStoreOptions, "isLeaseGiven" | "report" | "signal"> {
  /** The data directory, absolute. */
  readonly dataDir: string;
  /** Where nodes are noted outside of their data directories; `undefined` if there is no place for that. */
  readonly stateDir: string | undefined;
}

/**
 * Makes a cluster, or one of its first nodes, and serves; continues if the
 * directory holds the same node of the same cluster.
 *
 * @throws {KatError} if the directory, the settings or the machine do not
 * allow it; what was found is then as it was.
 */
export async function initNode(
  wanted: WantedNode,
  options: AgentOptions & InspectOptions,
): Promise<void> {
  await refuseVanished(options);
  const { dataDir, isAddressGiven } = options;
  const node = await inspectNode(dataDir, wanted, { isAddressGiven });
  await serveNode(node, { ...options, wantedSpec: wanted.spec });
}

/**
 * Serves a node that was initialised before.
 *
 * @throws {KatError} if it was not, or cannot be served.
 */
export async function runNode(options: AgentOptions): Promise<void> {
  await refuseVanished(options);
  await serveNode(await inspectNode(options.dataDir), options);
}

async function serveNode(
  { record, paths, isFresh }: InspectedNode,
  { wantedSpec, ...options }: AgentOptions & {
    readonly wantedSpec?: ClusterSpec;
  },
): Promise<void> {
  const place = { stateDir: options.stateDir, dataDir: paths.root };
  refuseOlderCopy(
    await findRegistered(place),
    record,
    await readIdentity(paths.identity).catch(() => undefined),
  );
  warnOfPlainHttp(record);
  const plan = planNode(record, { paths, wantedSpec });
  using watch = new PartsWatch();
  const signal = AbortSignal.any([options.signal, watch.signal]);
  const node = { ...options, signal, watch };
  const note = await notePath(place);
  await using workers = await EarlyWorkers.start(plan, { ...options, note });
  const { store } = workers;
  watch.add(store);
  await using claim = await claimNode(plan, { ...node, isFresh, store });
  await registerNode(place, claim.record, claim.identity);
  using _memory = settleMemory();
  await using member = await startMember(plan, { ...node, claim, workers });
  await joinStore(plan, { ...node, claim, member, store });
  watch.signal.throwIfAborted();
}

function warnOfPlainHttp({ advertiseAddress }: NodeRecord): void {
  if (isLoopback(advertiseAddress)) return;
  logger("agent").warn(
    "etcd is reachable from other machines without encryption or password: keep its ports inside a network you trust",
    { address: advertiseAddress },
  );
}
