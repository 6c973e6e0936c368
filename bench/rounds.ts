/**
 * Rounds in which all are measured in turns, so that what the machine does
 * meanwhile meets all of them.
 *
 * @module
 */

import type { Row } from "./measurement.ts";

/** A program that is measured. */
export interface Contestant {
  /** Its name in the table. */
  readonly name: string;
  /** Does one round and returns its figures by name. */
  readonly run: () => Promise<Readonly<Record<string, number>>>;
}

/** Options of {@linkcode runRounds}. */
export interface RoundsOptions {
  /** What is done. */
  readonly what: string;
  /** How many rounds count. */
  readonly rounds: number;
  /** Whether a round comes first that does not count. @default {true} */
  readonly warm?: boolean;
}

/** Measures all contestants in each round, each time beginning with another. */
export async function runRounds(
  contestants: readonly Contestant[],
  { what, rounds, warm = true }: RoundsOptions,
): Promise<readonly Row[]> {
  const figures = contestants.map(() => new Map<string, number[]>());
  for (let round = warm ? -1 : 0; round < rounds; round++) {
    for (const [index, { run }] of turns(contestants, Math.max(0, round))) {
      const measured = await run();
      if (round < 0) continue;
      for (const [name, number] of Object.entries(measured)) {
        const all = figures[index]?.get(name) ?? [];
        figures[index]?.set(name, [...all, number]);
      }
    }
  }
  return contestants.map(({ name }, index) => ({
    what,
    peer: name,
    figures: Object.fromEntries(figures[index] ?? []),
  }));
}

/** All of `items` with their places, from the `first`th on. */
function turns<Item>(
  items: readonly Item[],
  first: number,
): readonly (readonly [number, Item])[] {
  const all = items.map((item, index) => [index, item] as const);
  const start = items.length === 0 ? 0 : first % items.length;
  return [...all.slice(start), ...all.slice(0, start)];
}
