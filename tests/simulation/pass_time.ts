/**
 * Time passing in a world, with all code that can run having run between two
 * events.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Timeline } from "./timeline.ts";

/** Options of {@linkcode passTime}. */
export interface PassTimeOptions {
  /** How long at most, in milliseconds of true time. */
  readonly ms: number;
  /** Ends it early. */
  readonly done?: () => boolean;
  /** Checks the world after each event. */
  readonly check?: () => void;
}

/** Lets one event happen after the other, until the time is over or a promise is broken. */
export async function passTime(
  timeline: Timeline,
  { ms, done = () => false, check = () => {} }: PassTimeOptions,
): Promise<void> {
  const endMs = timeline.nowMs + ms;
  do {
    await nextTurn();
    check();
  } while (!timeline.violation && !done() && timeline.step(endMs));
}

let turn: Promise<void> | undefined;

/** The next turn of the event loop; the worlds that wait at once share it. */
function nextTurn(): Promise<void> {
  return turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve();
    });
  });
}
