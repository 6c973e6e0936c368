/**
 * Opens many watches in one client and measures how late their events come.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { BenchClient } from "./bench_client.ts";
import { type Outcome, outcomeOf } from "./run_callers.ts";
import { wallClock } from "./wall_clock.ts";

/** What is watched. */
export interface Watching {
  /** Ends with `/`. */
  readonly prefix: string;
  /** How many watches there are. */
  readonly watches: number;
  /** Whether they all watch the prefix; else each has a part of it, by its number. */
  readonly shared: boolean;
  /** How many events there will be in all. */
  readonly events: number;
}

/** How long the events may take to come, from the moment all watches are open. */
const PATIENCE_MS = 60_000;

/**
 * Opens the watches, reports that they are open, and returns the outcome once all
 * events have come.
 * The outcome's time is the one from the first event to the last.
 *
 * A value begins with the time at which it was written, in milliseconds since
 * 1970, and a blank.
 */
export async function runWatches(
  client: BenchClient,
  { prefix, watches, shared, events }: Watching,
  onReady: () => void,
): Promise<Outcome> {
  const now = wallClock();
  const lags: number[] = [];
  let firstMs = 0;
  const all = Promise.withResolvers<void>();
  function onValue(value: Uint8Array): void {
    const at = now();
    if (lags.length === 0) firstMs = at;
    lags.push(at - writtenAt(value));
    if (lags.length === events) all.resolve();
  }
  const open = await Promise.all(
    Array.from(
      { length: watches },
      (_, n) => client.watch(shared ? prefix : `${prefix}${n}/`, onValue),
    ),
  );
  const late = setTimeout(
    () => all.reject(new Error(`Only ${lags.length} of ${events} events came`)),
    PATIENCE_MS,
  );
  onReady();
  await all.promise;
  clearTimeout(late);
  const lastMs = now();
  await Promise.all(open.map((close) => close()));
  return outcomeOf(lags, lastMs - firstMs);
}

function writtenAt({ buffer, byteOffset, length }: Uint8Array): number {
  const text = Buffer.from(buffer, byteOffset, length).toString(
    "latin1",
    0,
    20,
  );
  return Number(text.slice(0, text.indexOf(" ")));
}
