/**
 * The campaign loop of one agent: campaign, lead, lose or resign, again.
 *
 * @module
 */

import { aborted } from "../base/abortable.ts";
import { Backoff } from "../base/backoff.ts";
import { systemClock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { Leadership, StateStore } from "../store/state_store.ts";

/**
 * What a leader does. It ends soon after `signal` aborts, which happens when
 * the term is over or the agent stops; returning earlier keeps the term.
 */
export type Duties = (
  leadership: Leadership,
  signal: AbortSignal,
) => Promise<void>;

/** Options of {@linkcode runElection}. */
export interface ElectionOptions {
  /** Who campaigns. */
  readonly leaderId: string;
  /** The lease to ask for, in seconds; the store may grant another. */
  readonly leaseTtlSeconds: number;
  /** What the leader does. */
  readonly duties: Duties;
  /** Told of each term when it begins, and with `undefined` when it is over. */
  readonly onTerm?: (leadership: Leadership | undefined) => void;
  /** Ends the loop, after an orderly resignation. */
  readonly signal: AbortSignal;
}

/**
 * Takes part in the election until its signal aborts.
 *
 * ```
 *   campaigning ──elected──▶ leading ──lost──▶ campaigning
 *        │                      │ signal: the duties end, then the lease is given back
 *        └──────signal──────────┴─▶ over
 * ```
 *
 * Losing a term never ends the loop, and the duties of one term have ended
 * before the store is told, so that two leaders' work cannot overlap by our doing.
 */
export async function runElection(
  store: StateStore,
  options: ElectionOptions,
): Promise<void> {
  const pauses = new Backoff({ firstMs: 1_000, maxMs: 30_000 });
  while (!options.signal.aborted) {
    const leadership = await store.campaign(
      options.leaderId,
      options.leaseTtlSeconds,
      { signal: options.signal },
    ).catch((error) => {
      if (options.signal.aborted) return undefined;
      throw error;
    });
    if (leadership === undefined) return;
    const worked = await lead(leadership, options);
    if (worked) pauses.reset();
    else await systemClock.sleep(pauses.nextMs(), options).catch(() => {});
  }
}

/** One term, from its first log line to its last; false if its duties failed. */
async function lead(
  leadership: Leadership,
  { leaderId, duties, onTerm, signal }: ElectionOptions,
): Promise<boolean> {
  const log = logger("election");
  const { fence } = leadership;
  const over = AbortSignal.any([signal, leadership.signal]);
  let failure: unknown;
  log.info("Became leader: {leaderId}", { leaderId, fence });
  onTerm?.(leadership);
  try {
    await duties(leadership, over);
    await aborted(over);
  } catch (error) {
    if (!over.aborted) failure = error;
  }
  onTerm?.(undefined);
  if (leadership.signal.aborted) {
    const reason = messageOf(leadership.signal.reason);
    log.warn("Lost leadership: {reason}", { reason, leaderId, fence });
    await leadership.resign();
    return true;
  }
  if (failure !== undefined) {
    log.error("The leader's work failed, so another may lead", {
      reason: messageOf(failure),
      leaderId,
      fence,
    });
  }
  await leadership.resign();
  log.info("Resigned leadership", { leaderId, fence });
  return failure === undefined;
}
