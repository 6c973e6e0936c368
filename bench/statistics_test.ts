import { strictEqual } from "node:assert/strict";
import { median, percentile } from "./statistics.ts";

Deno.test("median() returns the middle number, or the mean of two", () => {
  strictEqual(median([3, 1, 2]), 2);
  strictEqual(median([10, 9, 100, 2]), 9.5);
  strictEqual(median([7]), 7);
  strictEqual(median([]), NaN);
});

Deno.test("percentile() returns the nearest rank", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  strictEqual(percentile(hundred, 0.99), 99);
  strictEqual(percentile(hundred, 0.5), 50);
  strictEqual(percentile(hundred, 1), 100);
  strictEqual(percentile([5, 100, 20], 0.99), 100);
  strictEqual(percentile([5], 0), 5);
  strictEqual(percentile([], 0.5), NaN);
});
