/**
 * Measures how long a disk takes to store a small write for good, as etcd does
 * for every write that it confirms. What follows from it is left to `etcd_timing`.
 *
 * @module
 */

import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { createOwn } from "../base/files/open_own.ts";
import { removeOwn } from "../base/files/write_own.ts";

/** A measurement of a disk. */
export interface DiskProbe {
  /** 99 of 100 writes took at most this time, in milliseconds. */
  readonly p99Ms: number;
  /** The number of writes. */
  readonly writes: number;
}

/** Options of {@linkcode probeDisk}. */
export interface ProbeOptions {
  /** Ends the measurement. */
  readonly signal?: AbortSignal | undefined;
  /** The number of writes. @default {200} */
  readonly writes?: number | undefined;
  /** The time after which it stops with fewer writes, in milliseconds. @default {1000} */
  readonly withinMs?: number | undefined;
}

/**
 * A fast disk does them in 40 ms. Of 200 writes the third slowest is the p99, so
 * that one delay of the machine does not count.
 */
const WRITES = 200;
/** The start waits no longer than this; an SD card with 50 ms for a write still gives 20 of them. */
const WITHIN_MS = 1_000;
/** The size of an entry in etcd's log; the etcd project measures disks with it. */
const WRITE_BYTES = 2_300;
/** Fewer writes are no measurement. */
const FEWEST_WRITES = 5;

/**
 * Measures the disk of `directory`, a path that was checked, in a file that it removes at once. Returns
 * `undefined` if it cannot, or was ended early; never rejects.
 */
export async function probeDisk(
  directory: string,
  { signal, writes = WRITES, withinMs = WITHIN_MS }: ProbeOptions = {},
): Promise<DiskProbe | undefined> {
  const path = join(directory, `probe.${crypto.randomUUID()}.tmp`);
  try {
    using file = await createOwn(path, { within: directory });
    // The open file still takes writes, and nothing is left if this process dies.
    await removeOwn(path, { within: directory });
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

/** Returns the p99 of the times of writes, in milliseconds; `undefined` if they are too few. */
export function summarize(times: readonly number[]): DiskProbe | undefined {
  if (times.length < FEWEST_WRITES) return undefined;
  const sorted = times.toSorted((a, b) => a - b);
  const p99Ms = sorted[Math.ceil(sorted.length * 0.99) - 1];
  return p99Ms === undefined ? undefined : { p99Ms, writes: times.length };
}
