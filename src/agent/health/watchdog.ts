/**
 * Whether a node is well, so that systemd need not restart it.
 *
 * What a restart cannot fix does not count: a node without a majority is well,
 * and so is one whose etcd ended and is being started again.
 *
 * @module
 */

import { Deadline } from "../../base/abortable.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { NodeState, WatchedEtcd } from "../node_state.ts";

/** Options of {@linkcode Watchdog.unhealthyReason}. */
export interface WatchdogOptions {
  /** How long etcd may take to answer, in milliseconds. */
  readonly answerMs: number;
  /** Ends the wait for its answer; what is then said means nothing. */
  readonly signal?: AbortSignal | undefined;
}

/** How long a leader's duties may go on after its term. */
const DUTIES_GRACE_MS = 10_000;
/** A check of the store and the pause after it take 10 s at most; after this long its answer is lost. */
const STORE_CHECK_TIMEOUT_MS = 60_000;
/** How long the store may be out of reach of the agent alone. */
const UNREACHABLE_MS = 60_000;

/** What of a node is watched. */
export type WatchedNode = Pick<
  NodeState,
  "etcd" | "storeCheck" | "parts" | "term"
>;

/**
 * Watches one node over time. It is well unless
 *
 * - the event loop of one of the agent's parts does not turn;
 * - its etcd, having answered once, no longer does;
 * - its leader's duties go on although the lease is over;
 * - checks of the store neither succeed nor fail any more;
 * - the agent cannot reach the store, and its etcd says that it serves.
 */
export class Watchdog {
  readonly #clock: Clock;
  #heardPid: number | undefined;
  #storeCheck: WatchedNode["storeCheck"];
  #storeCheckedMs = 0;
  #unreachableSinceMs: number | undefined;
  #overdueTerm: WatchedNode["term"];
  #overdueSinceMs = 0;

  /** A node that nothing is known of is well. */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Says what is wrong now; `undefined` if the node is well. */
  async unhealthyReason(
    node: WatchedNode,
    options: WatchdogOptions,
  ): Promise<string | undefined> {
    const wrong = this.#ofTerm(node) ?? this.#ofStoreChecks(node);
    if (wrong !== undefined) return wrong;
    // At the same time, because each may take all of its time.
    const [part, etcd] = await Promise.all([
      ofParts(node, options),
      this.#ofEtcd(node, options),
    ]);
    return part ?? etcd;
  }

  #ofTerm({ term }: WatchedNode): string | undefined {
    if (!term?.isOver) {
      this.#overdueTerm = undefined;
      return undefined;
    }
    const nowMs = this.#clock.nowMs();
    if (this.#overdueTerm?.fence !== term.fence) {
      this.#overdueTerm = term;
      this.#overdueSinceMs = nowMs;
    }
    return nowMs - this.#overdueSinceMs < DUTIES_GRACE_MS
      ? undefined
      : "the leader's duties go on after its term";
  }

  #ofStoreChecks({ storeCheck }: WatchedNode): string | undefined {
    const nowMs = this.#clock.nowMs();
    if (storeCheck !== this.#storeCheck) {
      this.#storeCheck = storeCheck;
      this.#storeCheckedMs = nowMs;
      if (storeCheck?.trouble === undefined) {
        this.#unreachableSinceMs = undefined;
      } else this.#unreachableSinceMs ??= nowMs;
    }
    return storeCheck === undefined ||
        nowMs - this.#storeCheckedMs < STORE_CHECK_TIMEOUT_MS
      ? undefined
      : "questions to the store do not come back";
  }

  async #ofEtcd(
    { etcd }: WatchedNode,
    { answerMs, signal: ended }: WatchdogOptions,
  ): Promise<string | undefined> {
    if (etcd === undefined || hasEnded(etcd)) return undefined;
    using deadline = new Deadline(answerMs, () => new Error("No answer"), [
      ended,
    ]);
    const { signal } = deadline;
    if (await etcd.answers({ signal })) this.#heardPid = etcd.pid;
    else if (hasAnswered(etcd, this.#heardPid)) {
      return "etcd does not answer";
    }
    const unreachableMs = this.#unreachableSinceMs === undefined
      ? 0
      : this.#clock.nowMs() - this.#unreachableSinceMs;
    return unreachableMs >= UNREACHABLE_MS && await etcd.serves({ signal })
      ? "the store cannot be reached although etcd serves"
      : undefined;
  }
}

/**
 * True if the supervisor saw it serve, or this watchdog once got an answer.
 * Without a majority it never reaches `serving`.
 */
function hasAnswered(
  etcd: WatchedEtcd,
  heardPid: number | undefined,
): boolean {
  return etcd.state === "serving" || etcd.pid === heardPid;
}

function hasEnded({ state }: WatchedEtcd): boolean {
  return state === "stopping" || state === "exited";
}

async function ofParts(
  { parts = [] }: WatchedNode,
  { answerMs, signal: ended }: WatchdogOptions,
): Promise<string | undefined> {
  using deadline = new Deadline(answerMs, () => new Error("No answer"), [
    ended,
  ]);
  const { signal } = deadline;
  const responds = await Promise.all(
    parts.map((part) => part.responds({ signal })),
  );
  const { name } = parts.find((_, index) => !responds[index]) ?? {};
  return name && `the agent's ${name} thread does not respond`;
}
