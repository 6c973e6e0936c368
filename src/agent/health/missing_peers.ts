/**
 * Which members cannot be reached, for a message that says which ones a node
 * waits for.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { logger } from "../../base/log.ts";
import { acceptsConnection } from "../../etcd/client/accepts_connection.ts";
import type { LogPeer } from "../../etcd/process/log_peers.ts";
import type { InitialMember } from "../../config/node_settings.ts";

/** Options of {@linkcode missingPeers}. */
export interface PeerOptions {
  /** The node that asks; it is not one of its own peers. */
  readonly nodeName: string;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

/** How long to wait before the first report, so that a usual start logs none. */
const FIRST_REPORT_MS = 2_000;
/** The pause between two checks. */
const CHECK_INTERVAL_MS = 2_000;

/** The names and peer URLs of the members whose peer port does not answer. */
export async function missingPeers(
  members: readonly InitialMember[],
  { nodeName, signal }: PeerOptions,
): Promise<string[]> {
  const peers = members.filter(({ name }) => name !== nodeName);
  const answers = await Promise.all(
    peers.map(({ peerUrl }) => acceptsConnection(peerUrl, { signal })),
  );
  return peers
    .filter((_, index) => !answers[index])
    .map(({ name, peerUrl }) => `${name} (${peerUrl})`);
}

/** Logs for which peers a starting member waits, whenever that changes, until the signal aborts. */
export async function reportMissingPeers(
  members: readonly InitialMember[],
  options: {
    /** Says which peers cannot be reached. */
    readonly missingPeers: (
      options: { readonly signal: AbortSignal },
    ) => Promise<string[]>;
    /** The members that etcd itself counts, as far as is known. */
    readonly peers: () => Promise<readonly LogPeer[]>;
    /** Takes what was logged. */
    readonly onWait?: ((waitsFor: string) => void) | undefined;
    /** Ends the reports. */
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { signal, onWait } = options;
  const log = logger("agent");
  let said: string | undefined;
  let saidRefused: string | undefined;
  try {
    await systemClock.sleep(FIRST_REPORT_MS, { signal });
    while (!signal.aborted) {
      const missing = await options.missingPeers({ signal });
      const wait = describeWait(members, {
        missing,
        peers: await options.peers(),
      });
      if (signal.aborted) return;
      if (wait.refused !== undefined && wait.refused !== saidRefused) {
        log.warn(
          "The other members refuse this one: it was made for another cluster",
          {
            reason:
              `${wait.refused}: another list of members, or another cluster`,
            hint:
              "Compare --initial-cluster and metadata.name on all nodes; a node with the wrong ones needs the right ones and an empty data directory",
          },
        );
      }
      if (wait.waitsFor !== said) {
        onWait?.(wait.waitsFor);
        if (wait.needed === undefined) {
          log.info("Waiting for etcd", { waitsFor: wait.waitsFor });
        } else {
          log.info("Waiting for other members of the cluster", {
            waitsFor: wait.waitsFor,
            needed: wait.needed,
          });
        }
      }
      said = wait.waitsFor;
      saidRefused = wait.refused;
      await systemClock.sleep(CHECK_INTERVAL_MS, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** What a member that does not serve yet waits for. */
export interface Wait {
  /** The members, or what etcd does, as a list for a sentence. */
  readonly waitsFor: string;
  /** How many members are needed, as `2 of 3`; `undefined` if it is alone. */
  readonly needed?: string;
  /** The members that refuse it. */
  readonly refused?: string;
}

/**
 * Says what a starting member waits for. Its etcd decides who is a member, not
 * the list that the cluster was made of: somebody may have added one since.
 */
export function describeWait(
  members: readonly InitialMember[],
  { missing, peers }: {
    readonly missing: readonly string[];
    readonly peers: readonly LogPeer[];
  },
): Wait {
  const nameOf = ({ peerUrl }: LogPeer) => {
    const known = members.find((one) => one.peerUrl === peerUrl);
    return known && `${known.name} (${peerUrl})`;
  };
  const added = peers.filter((peer) =>
    !peer.isOwn && !peer.isActive && nameOf(peer) === undefined
  ).map(({ peerUrl }) =>
    `the member at ${peerUrl}, which was added to etcd and does not run`
  );
  const refusing = peers.filter(({ refuses }) => refuses)
    .map((peer) => nameOf(peer) ?? `the member at ${peer.peerUrl}`);
  const total = peers.length === 0 ? members.length : peers.length;
  const waits = [...missing, ...added];
  const refused = refusing.length === 0 ? {} : { refused: refusing.join(", ") };
  if (total === 1) {
    return { waitsFor: "etcd, which works through its log", ...refused };
  }
  const others = refusing.map((name) => `${name}, which refuses this one`);
  return {
    waitsFor: waits.length === 0 && others.length === 0
      ? "their election"
      : [...waits, ...others].join(", "),
    needed: `${Math.floor(total / 2) + 1} of ${total}`,
    ...refused,
  };
}
