/**
 * How long a disk takes to make a small write last: what etcd does for every
 * write it confirms.
 *
 * @module
 */

import { join } from "node:path";
import { systemClock } from "../base/clock.ts";

/** What was measured. */
export interface DiskProbe {
  /** The time that 99 of 100 writes do not exceed, in milliseconds. */
  readonly p99Ms: number;
  /** How many writes that is taken from. */
  readonly writes: number;
}

/** Options of {@linkcode probeDisk}. */
export interface ProbeOptions {
  /** Ends the probe. */
  readonly signal?: AbortSignal | undefined;
  /** How many writes. @default {200} */
  readonly writes?: number | undefined;
  /** When to stop with fewer, in milliseconds. @default {1000} */
  readonly withinMs?: number | undefined;
}

/**
 * As many as a fast disk takes in 40 ms; of 200, the third worst is the p99, so
 * that one hiccup of the machine does not count.
 */
const WRITES = 200;
/** Nobody waits longer for it; an SD card of 50 ms a write still gives 20. */
const WITHIN_MS = 1_000;
/** The size of an entry in etcd's log, as its makers measure disks with. */
const WRITE_BYTES = 2_300;
/** Fewer say nothing. */
const FEWEST = 5;

/**
 * Measures the disk of `directory` in a file that is gone from it at once.
 * `undefined` if that cannot be done, or was ended; rejects never.
 */
export async function probeDisk(
  directory: string,
  { signal, writes = WRITES, withinMs = WITHIN_MS }: ProbeOptions = {},
): Promise<DiskProbe | undefined> {
  const path = join(directory, `probe.${crypto.randomUUID()}.tmp`);
  try {
    using file = await Deno.open(path, {
      write: true,
      createNew: true,
      mode: 0o600,
    });
    // Open, it takes writes; and whatever happens, nothing is left of it.
    await Deno.remove(path);
    const bytes = new Uint8Array(WRITE_BYTES);
    const endMs = systemClock.nowMs() + withinMs;
    const times: number[] = [];
    while (
      times.length < writes && systemClock.nowMs() < endMs && !signal?.aborted
    ) {
      const startMs = systemClock.nowMs();
      await file.write(bytes);
      await file.syncData();
      times.push(systemClock.nowMs() - startMs);
    }
    return summarize(times);
  } catch {
    return undefined;
  }
}

/** The p99 of the times of some writes, in milliseconds; `undefined` if they are too few. */
export function summarize(times: readonly number[]): DiskProbe | undefined {
  if (times.length < FEWEST) return undefined;
  const sorted = times.toSorted((a, b) => a - b);
  const p99Ms = sorted[Math.ceil(sorted.length * 0.99) - 1];
  return p99Ms === undefined ? undefined : { p99Ms, writes: times.length };
}
