/**
 * The campaign loop of one agent: campaign, lead, lose or resign, again.
 *
 * @module
 */

import { aborted } from "../base/abortable.ts";
import { Backoff } from "../base/backoff.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { KatError, messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import {
  type Leadership,
  ResignedError,
  type StateStore,
} from "../store/state_store.ts";
import type { TermCanceller } from "./term_canceller.ts";

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
  /** The candidate's ID. */
  readonly leaderId: string;
  /** The lease to ask for, in seconds; the store may grant another. */
  readonly leaseTtlSeconds: number;
  /** What the leader does. */
  readonly duties: Duties;
  /** Called with each term when it begins, and with `undefined` once its duties have ended. */
  readonly onTerm?:
    | ((leadership: Leadership | undefined) => void)
    | undefined;
  /** Called with each key of the candidate, before it is put. */
  readonly onCandidacy?: ((key: string) => void) | undefined;
  /** Ends a term from outside. */
  readonly termCanceller?: TermCanceller | undefined;
  /** The clock of its pauses. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** Ends the loop, after an orderly resignation. */
  readonly signal: AbortSignal;
}

/**
 * Takes part in the election until its signal aborts.
 *
 * ```
 *   campaigning ──elected──▶ leading ──lost or cancelled──▶ campaigning
 *        │                      │ signal: the duties end, then the lease is given back
 *        └──────signal──────────┴─▶ over
 * ```
 *
 * Losing a term never ends the loop. The duties of a term have ended before its
 * lease is given back, so that the work of two leaders does not overlap.
 *
 * @throws {AnotherClusterError} if another cluster answers.
 * @throws {KatError} if the store was set back, so that a fence would be lower than the last.
 */
export async function runElection(
  store: StateStore,
  options: ElectionOptions,
): Promise<void> {
  const pauses = new Backoff({ firstMs: 1_000, maxMs: 30_000 });
  let lastFence = 0n;
  while (!options.signal.aborted) {
    const leadership = await store.campaign(
      options.leaderId,
      options.leaseTtlSeconds,
      { signal: options.signal, onCandidacy: options.onCandidacy },
    ).catch((error) => {
      if (options.signal.aborted) return undefined;
      throw error;
    });
    if (leadership === undefined) return;
    if (leadership.fence <= lastFence) {
      throw await refuse(leadership, lastFence);
    }
    lastFence = leadership.fence;
    const worked = await lead(leadership, options);
    if (worked) pauses.reset();
    else {
      const { clock = systemClock, signal } = options;
      await clock.sleep(pauses.nextMs(), { signal }).catch(() => {});
    }
  }
}

/** Gives back a term whose fence would let older writes pass for newer ones. */
async function refuse(
  leadership: Leadership,
  lastFence: bigint,
): Promise<KatError> {
  await leadership.resign();
  return new KatError(
    `Cannot lead: the store gave the fence ${leadership.fence} after ${lastFence}, so it was made anew or set back`,
    { hint: "Restore the newest data there is, or start again on this store" },
  );
}

/** How often a warning is logged while duties go on after their term. */
const REMINDER_MS = 10_000;

/** Warns while the duties of a term go on after its end, because no node can lead meanwhile. */
async function remind(
  over: AbortSignal,
  ended: AbortSignal,
  { clock }: { readonly clock: Clock },
): Promise<void> {
  await Promise.race([aborted(over), aborted(ended)]);
  while (!ended.aborted) {
    await clock.sleep(REMINDER_MS, { signal: ended }).catch(() => {});
    if (ended.aborted) return;
    logger("election").warn("The leader's duties have not ended with its term");
  }
}

/** How long the resignation of a cancelled term may take. */
const CANCELLED_MS = 15_000;
/** Of an election without a {@linkcode TermCanceller}. */
const NEVER: AbortSignal = new AbortController().signal;

/** One term, from its first log line to its last; false if its duties failed. */
async function lead(
  leadership: Leadership,
  options: ElectionOptions,
): Promise<boolean> {
  const { leaderId, duties, onTerm, clock = systemClock, signal } = options;
  const cancelled = options.termCanceller?.signal ?? NEVER;
  const log = logger("election");
  const { fence } = leadership;
  const over = AbortSignal.any([signal, leadership.signal, cancelled]);
  let failure: unknown;
  let lost = false;
  const onLoss = () => {
    // A resigned term is not a lost one.
    if (lost || leadership.signal.reason instanceof ResignedError) return;
    const reason = messageOf(cancelled.reason ?? leadership.signal.reason);
    log.warn("Lost leadership: {reason}", { reason, leaderId, fence });
    lost = true;
  };
  log.info("Became leader: {leaderId}", { leaderId, fence });
  onTerm?.(leadership);
  leadership.signal.addEventListener("abort", onLoss, { once: true });
  cancelled.addEventListener("abort", onLoss, { once: true });
  if (leadership.signal.aborted || cancelled.aborted) onLoss();
  const reminders = new AbortController();
  const reminding = remind(over, reminders.signal, { clock });
  try {
    await duties(leadership, over);
    await aborted(over);
  } catch (error) {
    if (!over.aborted) failure = error;
  }
  reminders.abort();
  await reminding;
  onTerm?.(undefined);
  leadership.signal.removeEventListener("abort", onLoss);
  cancelled.removeEventListener("abort", onLoss);
  if (lost) {
    // The reason for cancelling may also delay the store, and to give the lease
    // back late is better than to let it expire.
    const options = { signal, timeoutMs: CANCELLED_MS };
    await leadership.resign(cancelled.aborted ? options : {});
    return true;
  }
  if (failure !== undefined) {
    log.error("The leader's duties failed, so another may lead", {
      reason: messageOf(failure),
      leaderId,
      fence,
    });
  }
  await leadership.resign();
  log.info("Resigned leadership", { leaderId, fence });
  return failure === undefined;
}
