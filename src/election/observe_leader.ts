/**
 * Seeing who leads, for the log and for status.
 *
 * @module
 */

import { systemClock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { ELECTION_PREFIX } from "../store/keys.ts";
import { type StateStore, StoreError } from "../store/state_store.ts";

/** Options of {@linkcode observeLeader}. */
export interface ObserveOptions {
  /** The observer's own ID; its own terms are not news to it. */
  readonly leaderId: string;
  /** Told who leads whenever somebody looked; `undefined` if nobody does. */
  readonly onLook?: ((leader: string | undefined) => void) | undefined;
  /** Ends the observation. */
  readonly signal: AbortSignal;
}

/** How long to wait after trouble, and at most between two looks without an event. */
const RETRY_MS = 1_000;
const LOOK_AGAIN_MS = 15_000;

/**
 * Logs `Observing leader: <leaderID>` whenever another agent is seen to lead
 * that was not seen before, until the signal aborts.
 *
 * It is told by a watch and looks now and then besides, so that no lost event
 * leaves a wrong name standing. Without a leader nothing is said.
 */
export async function observeLeader(
  store: StateStore,
  { leaderId, onLook, signal }: ObserveOptions,
): Promise<void> {
  const log = logger("election");
  let seen: string | undefined;

  async function look(): Promise<void> {
    const leader = await store.getLeader({ signal });
    if (leader !== undefined && leader !== seen && leader !== leaderId) {
      log.info("Observing leader: {leader}", { leader });
    }
    // An empty chair is no news, but whoever sits down next is, also the same.
    seen = leader;
    onLook?.(leader);
  }

  while (!signal.aborted) {
    const round = new AbortController();
    const scope = AbortSignal.any([signal, round.signal]);
    try {
      await using watch = await store.watch(ELECTION_PREFIX, { signal: scope });
      await look();
      const timer = systemClock.sleep(LOOK_AGAIN_MS, { signal: scope })
        .then(() => round.abort(), () => {});
      try {
        for await (const _event of watch) await look();
      } finally {
        round.abort();
        await timer;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (round.signal.aborted) continue;
      if (!(error instanceof StoreError)) throw error;
      log.debug("Cannot see who leads", { reason: messageOf(error) });
      await systemClock.sleep(RETRY_MS, { signal }).catch(() => {});
    }
  }
}
