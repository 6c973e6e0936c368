/**
 * Which members cannot be reached, for a message that says which ones a node
 * waits for.
 *
 * @module
 */

import { hostOf, portOf } from "../../base/url.ts";
import { Deadline } from "../../base/abortable.ts";
import { systemClock } from "../../base/clock.ts";
import { logger } from "../../base/log.ts";
import type { InitialMember } from "../../config/node_settings.ts";

/** Options of {@linkcode missingPeers}. */
export interface PeerOptions {
  /** The node that asks; it is not one of its own peers. */
  readonly nodeName: string;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

/** How long a peer may take to accept a connection. */
const CONNECT_MS = 1_000;
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
    peers.map(({ peerUrl }) => accepts(peerUrl, signal)),
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
    /** Why the peers refuse this member, if they do. */
    readonly whyRefused: () => Promise<string | undefined>;
    /** Takes what was logged. */
    readonly onWait?: ((waitsFor: string) => void) | undefined;
    /** Ends the reports. */
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { signal, onWait } = options;
  const needed = Math.floor(members.length / 2) + 1;
  let said: string | undefined;
  try {
    await systemClock.sleep(FIRST_REPORT_MS, { signal });
    while (!signal.aborted) {
      const missing = await options.missingPeers({ signal });
      const refused = missing.length === 0
        ? await options.whyRefused()
        : undefined;
      const waitsFor = refused ?? missing.join(", ");
      if (waitsFor !== said && !signal.aborted && refused !== undefined) {
        onWait?.(refused);
        logger("agent").warn(
          "The other members refuse this one: it was made for another cluster",
          { reason: refused },
        );
      } else if (waitsFor !== said && !signal.aborted) {
        const waitsForText = waitsFor === "" ? "their election" : waitsFor;
        onWait?.(waitsForText);
        logger("agent").info("Waiting for other members of the cluster", {
          waitsFor: waitsForText,
          needed: `${needed} of ${members.length}`,
        });
      }
      said = waitsFor;
      await systemClock.sleep(CHECK_INTERVAL_MS, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function accepts(url: string, signal: AbortSignal): Promise<boolean> {
  using deadline = new Deadline(CONNECT_MS, () => new Error("No answer"), [
    signal,
  ]);
  try {
    const connection = await Deno.connect({
      hostname: hostOf(url),
      port: portOf(url),
      signal: deadline.signal,
    });
    connection.close();
    return true;
  } catch {
    return false;
  }
}
