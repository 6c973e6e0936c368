/**
 * Puts at an even pace, each with the time at which it was asked for.
 *
 * @module
 */

import { sleep } from "../../tests/machine/sleep.ts";
import type { BenchClient } from "./bench_client.ts";
import { wallClock } from "./wall_clock.ts";

/** What is written. */
export interface Writing {
  /** Ends with `/`; its parts are as the watches have them. */
  readonly prefix: string;
  /** Over how many parts the puts go, in turns. */
  readonly parts: number;
  /** How many puts there are. */
  readonly events: number;
  /** The pace. */
  readonly perSecond: number;
  /** How long a value is. */
  readonly bytes: number;
}

/** How often what is due is written. */
const TICK_MS = 2;
/** How many keys a part has: puts to one key cannot go together. */
const KEYS = 500;

/** Writes all of them and returns how long it took until the last was acknowledged. */
export async function writeEvents(
  client: BenchClient,
  { prefix, parts, events, perSecond, bytes }: Writing,
): Promise<{ readonly ms: number }> {
  const now = wallClock();
  const encoder = new TextEncoder();
  const puts: Promise<unknown>[] = [];
  const start = now();
  while (puts.length < events) {
    const due = Math.min(events, (now() - start) / 1_000 * perSecond);
    while (puts.length < due) {
      const number = puts.length;
      const key = `${prefix}${number % parts}/${
        Math.floor(number / parts) % KEYS
      }`;
      const value = `${now().toFixed(3)} `.padEnd(bytes, "x");
      puts.push(client.put(key, encoder.encode(value)));
    }
    await sleep(TICK_MS);
  }
  await Promise.all(puts);
  return { ms: now() - start };
}
