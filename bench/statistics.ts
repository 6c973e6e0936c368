/**
 * The few figures that stand for many.
 *
 * @module
 */

/** The middle one of some numbers, or the mean of the two in the middle; NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = (sorted.length - 1) / 2;
  const [low, high] = [sorted[Math.floor(half)], sorted[Math.ceil(half)]];
  return ((low ?? NaN) + (high ?? NaN)) / 2;
}

/**
 * The smallest of some numbers that `part` of them do not exceed (the nearest
 * rank); NaN of none. With fewer than a hundred, the 99th percentile is the
 * greatest.
 */
export function percentile(
  numbers: readonly number[],
  part: number,
): number {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}
