/**
 * Whether a node is well, so that whoever watches it may leave it alone.
 *
 * What a restart cannot mend does not count: a node without a majority is
 * well, and so is one whose etcd ended and is being started again.
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

/** How long a leader's work may go on after its term. */
const DUTIES_GRACE_MS = 10_000;
/** A look at the store and the pause after it take 10 s at most; this is a lost answer that nobody missed. */
const LOOK_MS = 60_000;
/** How long the store may be out of reach of the agent alone. */
const UNREACHABLE_MS = 60_000;

/** What of a node is looked at. */
export type WatchedNode = Pick<NodeState, "etcd" | "look" | "parts" | "term">;

/**
 * Looks at one node over time. It is well unless
 *
 * - the event loop of one of the agent's parts does not turn;
 * - its etcd, having answered once, no longer does;
 * - its leader's work goes on although the lease is over;
 * - looks at the store neither succeed nor fail any more;
 * - the agent cannot reach the store, and its etcd says that it serves.
 */
export class Watchdog {
  readonly #clock: Clock;
  #heardPid: number | undefined;
  #look: WatchedNode["look"];
  #lookedMs = 0;
  #apartSinceMs: number | undefined;
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
    const wrong = this.#ofTerm(node) ?? this.#ofLooks(node);
    if (wrong !== undefined) return wrong;
    // At the same time, for each takes its time where somebody is silent.
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
      : "the leader's work goes on after its term";
  }

  #ofLooks({ look }: WatchedNode): string | undefined {
    const nowMs = this.#clock.nowMs();
    if (look !== this.#look) {
      this.#look = look;
      this.#lookedMs = nowMs;
      if (look?.trouble === undefined) this.#apartSinceMs = undefined;
      else this.#apartSinceMs ??= nowMs;
    }
    return look === undefined || nowMs - this.#lookedMs < LOOK_MS
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
    const apartMs = this.#apartSinceMs === undefined
      ? 0
      : this.#clock.nowMs() - this.#apartSinceMs;
    return apartMs >= UNREACHABLE_MS && await etcd.serves({ signal })
      ? "the store cannot be reached although etcd serves"
      : undefined;
  }
}

/** To whoever started it, or here: one that was started without a majority never "serves". */
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
  const turn = await Promise.all(parts.map((part) => part.turns({ signal })));
  const { name } = parts.find((_, index) => !turn[index]) ?? {};
  return name && `the agent's ${name} part stands still`;
}
