/**
 * The time that all processes of a machine agree on, finer than `Date` has it.
 *
 * @module
 */

/** How often the change of a millisecond is looked for. */
const TICKS = 5;

/**
 * Returns a clock in milliseconds since 1970, set now by watching `Date.now()`
 * change, which takes some milliseconds. It goes as `performance.now()` does,
 * so that after minutes it may be off by as much as the system's clock is put
 * right.
 */
export function wallClock(): () => number {
  const offsets = Array.from({ length: TICKS }, () => {
    const before = Date.now();
    let now = before;
    let at = performance.now();
    while (now === before) {
      now = Date.now();
      at = performance.now();
    }
    return now - at;
  });
  // Whatever held it up made the change look later than it was.
  const offset = Math.max(...offsets);
  return () => performance.now() + offset;
}
