/**
 * Runs the shipped election and watches through random interleavings on
 * simulated machines, or one of them again:
 *
 * ```sh
 * deno task simulate [--interleavings 100000] [--first SEED]
 * deno task simulate --seed SEED
 * ```
 *
 * The first prints what it went through, and the seed of whatever broke a
 * promise; the second prints every step. Both exit with 1 on a broken promise.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { Counts } from "./counts.ts";
import { type Outcome, runSeed, type Seeds } from "./run_seeds.ts";

/** The promises are looked at by as many threads as there are processors, at most. */
const MOST_THREADS = 4;

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      interleavings: { type: "string", default: "100000" },
      first: { type: "string", default: `${randomSeed()}` },
      seed: { type: "string" },
    },
  });
  if (values.seed !== undefined) return await replay(Number(values.seed));
  const count = Number(values.interleavings);
  const first = Number(values.first);
  say(`${count} interleavings from seed ${first}`);
  const started = performance.now();
  const { counts, violations } = await allThreads(first, count);
  for (const [name, sum] of counts) say(`${name.padEnd(56)}${sum}`);
  say(`seconds: ${((performance.now() - started) / 1_000).toFixed(1)}`);
  for (const { seed, message } of violations) {
    say(`BROKEN: ${message}\n  again: deno task simulate --seed ${seed}`);
  }
  if (violations.length > 0) Deno.exitCode = 1;
}

/** Each thread takes a part of the seeds. */
async function allThreads(first: number, count: number): Promise<Outcome> {
  const threads = Math.min(MOST_THREADS, navigator.hardwareConcurrency);
  const part = Math.ceil(count / threads);
  const outcomes = await Promise.all(
    Array.from({ length: threads }, (_, index) =>
      inThread({
        first: first + index * part,
        count: Math.min(part, count - index * part),
      })),
  );
  const sums = new Counts();
  for (const { counts } of outcomes) {
    for (const [name, sum] of counts) sums.add(name, sum);
  }
  const violations = outcomes.flatMap(({ violations }) => violations);
  return { counts: sums.entries(), violations };
}

function inThread(seeds: Seeds): Promise<Outcome> {
  const worker = new Worker(import.meta.resolve("./thread.ts"), {
    type: "module",
  });
  return new Promise<Outcome>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(seeds);
  }).finally(() => worker.terminate());
}

async function replay(seed: number): Promise<void> {
  Math.random = () => 0.5;
  const { trace = [], violation } = await runSeed(seed, { traced: true });
  for (const line of trace) say(line);
  say(violation ? `BROKEN: ${violation.message}` : "No promise was broken");
  if (violation) Deno.exitCode = 1;
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

function say(line: string): void {
  // deno-lint-ignore no-console -- the result of this program
  console.log(line);
}

await main();
