/**
 * Seeing who leads, for the log and for status.
 *
 * @module
 */

import { type Clock, systemClock } from "../base/clock.ts";
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
  /** What time passes by. @default {systemClock} */
  readonly clock?: Clock | undefined;
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
  { leaderId, onLook, clock = systemClock, signal }: ObserveOptions,
): Promise<void> {
  const log = logger("election");
  let seen: string | undefined;
  let last = Promise.resolve();

  // One after the other, so that what was seen last is what stays.
  function look(scope: AbortSignal): Promise<void> {
    return last = last.catch(() => {}).then(async () => {
      const leader = await store.getLeader({ signal: scope });
      if (leader !== undefined && leader !== seen && leader !== leaderId) {
        log.info("Observing leader: {leader}", { leader });
      }
      // An empty chair is no news, but whoever sits down next is, also the same.
      seen = leader;
      onLook?.(leader);
    });
  }

  /** Beside the watch: to open another would cost several times as much. */
  async function lookNowAndThen(scope: AbortSignal): Promise<void> {
    while (true) {
      await clock.sleep(LOOK_AGAIN_MS, { signal: scope });
      await look(scope);
    }
  }

  while (!signal.aborted) {
    const round = new AbortController();
    const scope = AbortSignal.any([signal, round.signal]);
    try {
      await using watch = await store.watch(ELECTION_PREFIX, { signal: scope });
      const looking = lookNowAndThen(scope)
        .catch((error) => round.abort(error));
      try {
        await look(scope);
        for await (const _event of watch) await look(scope);
        scope.throwIfAborted();
      } finally {
        round.abort();
        await looking;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof StoreError)) throw error;
      log.debug("Cannot see who leads", { reason: messageOf(error) });
      await clock.sleep(RETRY_MS, { signal }).catch(() => {});
    }
  }
}
