/**
 * The machine's CLOCK_MONOTONIC: the one time that different processes share.
 *
 * `performance.now()` counts from the start of its own process.
 *
 * @module
 */

const LINUX = Deno.build.os === "linux";
/** clockid_t of CLOCK_MONOTONIC, that of time.h of the system. */
const CLOCK_MONOTONIC = LINUX ? 1 : 6;
const library = LINUX ? "libc.so.6" : "libSystem.B.dylib";

const { symbols } = Deno.dlopen(library, {
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
});
const timespec = new BigInt64Array(2);

/** Nanoseconds of CLOCK_MONOTONIC; exact to 1 ns up to 104 days of uptime, to 2 ns above. */
export function monotonicNs(): number {
  symbols.clock_gettime(CLOCK_MONOTONIC, timespec);
  const [seconds = 0n, nanoseconds = 0n] = timespec;
  return Number(seconds * 1_000_000_000n + nanoseconds);
}
