/**
 * Observes which node leads, for the log and for status.
 *
 * @module
 */

import { type Clock, systemClock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { ELECTION_PREFIX } from "../store/keys.ts";
import {
  AnotherClusterError,
  type StateStore,
  StoreError,
} from "../store/state_store.ts";

/** Options of {@linkcode observeLeader}. */
export interface ObserveOptions {
  /** The observer's own ID; its own terms are not logged. */
  readonly leaderId: string;
  /** Called with the leader's ID each time it was read; with `undefined` if there is no leader. */
  readonly onLeader?: ((leader: string | undefined) => void) | undefined;
  /** The clock of its pauses. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** Ends the observation. */
  readonly signal: AbortSignal;
}

/** How long to wait after an error. */
const RETRY_MS = 1_000;
/** How often the leader is read without an event of the watch. */
const POLL_INTERVAL_MS = 15_000;

/**
 * Logs `Observing leader: <leaderID>` whenever another agent is seen to lead
 * that was not seen before, until the signal aborts.
 *
 * It reads the leader after each event of a watch and at an interval, because an
 * event may be lost.
 *
 * @throws {AnotherClusterError} if another cluster answers.
 */
export async function observeLeader(
  store: StateStore,
  { leaderId, onLeader, clock = systemClock, signal }: ObserveOptions,
): Promise<void> {
  const log = logger("election");
  let seen: string | undefined;
  let last = Promise.resolve();

  // One after the other, so that the last read is the one that counts.
  function readLeader(scope: AbortSignal): Promise<void> {
    return last = last.catch(() => {}).then(async () => {
      const leader = await store.getLeader({ signal: scope });
      if (leader !== undefined && leader !== seen && leader !== leaderId) {
        log.info("Observing leader: {leader}", { leader });
      }
      // No leader is not logged; a new one is, even if it is the same node.
      seen = leader;
      onLeader?.(leader);
    });
  }

  /** Beside the watch, because to open another costs several times as much as a read. */
  async function poll(scope: AbortSignal): Promise<void> {
    while (true) {
      await clock.sleep(POLL_INTERVAL_MS, { signal: scope });
      await readLeader(scope);
    }
  }

  while (!signal.aborted) {
    const round = new AbortController();
    const scope = AbortSignal.any([signal, round.signal]);
    try {
      await using watch = await store.watch(ELECTION_PREFIX, { signal: scope });
      const polling = poll(scope)
        .catch((error) => round.abort(error));
      try {
        await readLeader(scope);
        for await (const _event of watch) await readLeader(scope);
        scope.throwIfAborted();
      } finally {
        round.abort();
        await polling;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof AnotherClusterError) throw error;
      if (!(error instanceof StoreError)) throw error;
      log.debug("Cannot read the leader", { reason: messageOf(error) });
      await clock.sleep(RETRY_MS, { signal }).catch(() => {});
    }
  }
}
