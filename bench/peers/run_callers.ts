/**
 * So many callers, each with a key of its own and one operation at a time, for
 * some time.
 *
 * @module
 */

import { percentile } from "../statistics.ts";
import type { BenchClient } from "./bench_client.ts";

/** What is done in one round. */
export interface Load {
  /** The operation. */
  readonly what: "put" | "get";
  /** How many callers there are at once. */
  readonly callers: number;
  /** For how long, in milliseconds. */
  readonly ms: number;
  /** How long a value is. */
  readonly bytes: number;
}

/** What so many operations or events came to. */
export interface Outcome {
  /** How many there were. */
  readonly count: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** The median latency, in milliseconds. */
  readonly p50Ms: number;
  /** The 99th percentile of the latency, in milliseconds. */
  readonly p99Ms: number;
}

/** The outcome of operations that took `times`. */
export function outcomeOf(times: readonly number[], ms: number): Outcome {
  return {
    count: times.length,
    ms,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
  };
}

/** One round. */
export async function runCallers(
  client: BenchClient,
  { what, callers, ms, bytes }: Load,
): Promise<Outcome> {
  const value = new Uint8Array(bytes).fill(120);
  const times: number[] = [];
  const start = performance.now();
  const end = start + ms;
  async function caller(index: number): Promise<void> {
    const key = `/bench/${index}`;
    for (let began = start; began < end;) {
      await (what === "put" ? client.put(key, value) : client.get(key));
      const now = performance.now();
      times.push(now - began);
      began = now;
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, n) => caller(n)));
  return outcomeOf(times, performance.now() - start);
}
