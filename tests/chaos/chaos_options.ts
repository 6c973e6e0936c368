/**
 * The command line of a fault-injection run.
 *
 * @module
 */

import { parseArgs } from "node:util";

/** What a run is asked for. */
export interface ChaosOptions {
  /** How long faults go on for each topology, in minutes. */
  readonly minutes: number;
  /** Makes the choices of a run again. */
  readonly seed: number;
  /** How many members etcd has, in one run after the other. */
  readonly members: readonly (1 | 3)[];
  /** How many faults there are at least for each topology. */
  readonly faults: number;
  /** Operations per second that the traffic aims at. */
  readonly perSecond: number;
  /** The pause after each fault, on average, in milliseconds. */
  readonly calmMs: number;
  /** Whether both topologies run at the same time. */
  readonly atOnce: boolean;
  /** Where histories are left. */
  readonly outputDir: string | undefined;
  /** Whether only the help is shown. */
  readonly help: boolean;
}

/** The help. */
export const HELP = `deno task chaos [options]
  --minutes N   how long faults go on, for each topology (5)
  --faults N    at least so many faults, for each topology (0)
  --etcd 1|3    only the topology with so many members (both)
  --seed S      makes the choices of a run again (random)
  --rate N      operations per second (200)
  --calm MS     milliseconds without a fault after each, on average (1500)
  --out DIR     where histories are left (.cache/chaos)
  --at-once     both topologies at the same time
  --ci          the short form: 2.5 minutes and at least 8 faults for each
                topology, both at the same time`;

/** Reads the command line; a text says what is wrong with it. */
export function parseOptions(args: readonly string[]): ChaosOptions | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        minutes: { type: "string" },
        seed: { type: "string" },
        etcd: { type: "string" },
        faults: { type: "string" },
        rate: { type: "string", default: "200" },
        calm: { type: "string", default: "1500" },
        out: { type: "string" },
        "at-once": { type: "boolean", default: false },
        ci: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const { ci } = values;
    return {
      minutes: number("minutes", values.minutes ?? (ci ? "2.5" : "5")),
      faults: number("faults", values.faults ?? (ci ? "8" : "0")),
      perSecond: number("rate", values.rate),
      calmMs: number("calm", values.calm),
      seed: values.seed === undefined
        ? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0
        : number("seed", values.seed),
      members: members(values.etcd),
      atOnce: values["at-once"] || ci,
      outputDir: values.out,
      help: values.help,
    };
  } catch (error) {
    return (error as Error).message;
  }
}

function number(name: string, text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) {
    throw new TypeError(`--${name} wants a number, not "${text}"`);
  }
  return Number(text);
}

function members(text: string | undefined): (1 | 3)[] {
  switch (text) {
    case undefined:
      return [1, 3];
    case "1":
      return [1];
    case "3":
      return [3];
    default:
      throw new TypeError(`--etcd wants 1 or 3, not "${text}"`);
  }
}
