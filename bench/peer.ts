/**
 * Who is measured, and how: so many callers, each with a key of its own and one
 * operation at a time, for some time.
 *
 * @module
 */

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

/** What a round came to. */
export interface Measure {
  /** How many operations were done. */
  readonly count: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** The median latency, in milliseconds. */
  readonly p50Ms: number;
  /** The 99th percentile of the latency, in milliseconds. */
  readonly p99Ms: number;
}

/** A client of etcd that is measured. */
export interface Peer {
  /** Its name in the table. */
  readonly name: string;
  /** Does one round. */
  run(load: Load): Promise<Measure>;
}

/** A round in this process, of a client that does `put` and `get`. */
export async function runCallers(
  { what, callers, ms, bytes }: Load,
  { put, get }: {
    readonly put: (key: string, value: Uint8Array) => Promise<unknown>;
    readonly get: (key: string) => Promise<unknown>;
  },
): Promise<Measure> {
  const value = new Uint8Array(bytes).fill(120);
  const times: number[] = [];
  const start = performance.now();
  const end = start + ms;
  async function caller(index: number): Promise<void> {
    const key = `/bench/${index}`;
    for (let began = start; began < end;) {
      await (what === "put" ? put(key, value) : get(key));
      const now = performance.now();
      times.push(now - began);
      began = now;
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, n) => caller(n)));
  const took = performance.now() - start;
  const sorted = Float64Array.from(times).sort();
  const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? 0;
  return { count: times.length, ms: took, p50Ms: at(0.5), p99Ms: at(0.99) };
}
