/**
 * One world for each seed, many at a time.
 *
 * @module
 */

import { Counts } from "./counts.ts";
import { ElectionWorld } from "./election_world.ts";
import { Timeline } from "./timeline.ts";
import { WatchWorld } from "./watch_world.ts";

/** Worlds that go on at the same time: enough to make the event loop's turns cheap. */
const AT_ONCE = 32;

/** What came of some seeds. */
export interface Outcome {
  /** How often what happened. */
  readonly counts: readonly (readonly [string, number])[];
  /** The seeds in which a promise was broken, with the promise. */
  readonly violations: readonly Finding[];
}

/** A broken promise. */
export interface Finding {
  /** The seed that shows it. */
  readonly seed: number;
  /** What was broken. */
  readonly message: string;
}

/** Which seeds to run. */
export interface Seeds {
  /** The first. */
  readonly first: number;
  /** How many. */
  readonly count: number;
}

/** Lives through the world of one seed: of every third an election, of the others a watch. */
export async function runSeed(
  seed: number,
  { traced = false, counts = new Counts() } = {},
): Promise<Timeline> {
  const timeline = new Timeline(seed, { traced });
  const isElection = seed % 3 === 0;
  counts.add(`interleavings: ${isElection ? "election" : "watch"}`);
  const World = isElection ? ElectionWorld : WatchWorld;
  await new World(timeline, counts).run();
  counts.add(`steps: ${isElection ? "election" : "watch"}`, timeline.steps);
  return timeline;
}

/** Lives through the worlds of many seeds, until some have failed. */
export async function runSeeds(
  { first, count }: Seeds,
): Promise<Outcome> {
  const counts = new Counts();
  const violations: Finding[] = [];
  let index = 0;
  async function oneAfterTheOther(): Promise<void> {
    while (index < count && violations.length === 0) {
      const seed = first + index++;
      const { violation } = await runSeed(seed, { counts });
      if (violation) violations.push({ seed, message: violation.message });
    }
  }
  const random = Math.random;
  const { stackTraceLimit } = Error;
  // Jitter comes from the timeline: late timers. Traces of errors cost a fifth
  // of the time, and no output shows them.
  Math.random = () => 0.5;
  Error.stackTraceLimit = 0;
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, oneAfterTheOther));
  } finally {
    Math.random = random;
    Error.stackTraceLimit = stackTraceLimit;
  }
  return { counts: counts.entries(), violations };
}
