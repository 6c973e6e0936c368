/**
 * All that is measured, against its peers, in one run.
 *
 * ```
 * deno task bench [--quick] [--only=NAME,…] [--rounds=N] [--no-go]
 *                 [--json=FILE] [--from=FILE] [--write-docs]
 * ```
 *
 * Only ratios within one run mean anything. `--quick` only checks that it works,
 * and leaves Go out. `--json` writes all rounds. `--from` takes what is not
 * measured from an earlier run, which is everything unless there is `--only`.
 * `--write-docs` puts the tables and the plot into `docs/PERFORMANCE.md`.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { candidatesBench } from "./candidates_bench.ts";
import { footprintBench } from "./footprint_bench.ts";
import { handOverBench } from "./hand_over_bench.ts";
import { listBench } from "./list_bench.ts";
import type { Bench, BenchContext, Measurement } from "./measurement.ts";
import { buildGoPrograms } from "./peers/go_programs.ts";
import { recoveryBench } from "./recovery_bench.ts";
import { joinMeasurements, type Report, surroundings } from "./report.ts";
import { aimsTable, tableOf } from "./show_figures.ts";
import { showTable } from "./show_table.ts";
import { startBench } from "./start_bench.ts";
import { storeBench } from "./store_bench.ts";
import { throughputPlot } from "./throughput_plot.ts";
import { watchBench } from "./watch_bench.ts";
import { fillDocument } from "./write_document.ts";

/** All measurements, in the order of the report. */
const BENCHES: Readonly<Record<string, Bench>> = {
  store: storeBench,
  list: listBench,
  watch: watchBench,
  candidates: candidatesBench,
  hand_over: handOverBench,
  recovery: recoveryBench,
  start: startBench,
  footprint: footprintBench,
};
const NAMES = Object.keys(BENCHES);
const ROUNDS = 7;
const QUICK_ROUNDS = 1;

interface Flags {
  readonly quick: boolean;
  readonly only: readonly string[];
  readonly rounds: number;
  readonly go: boolean;
  readonly json: string | undefined;
  readonly from: string | undefined;
  readonly writeDocs: boolean;
}

function parseFlags(args: string[]): Flags {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string" },
      go: { type: "boolean" },
      json: { type: "string" },
      from: { type: "string" },
      "write-docs": { type: "boolean", default: false },
    },
  });
  const { quick, from, json } = values;
  const only = values.only?.split(",") ?? (from === undefined ? NAMES : []);
  const unknown = only.filter((name) => !NAMES.includes(name));
  if (unknown.length > 0) {
    throw new TypeError(
      `There is no measurement "${unknown.join()}": they are ${NAMES.join()}`,
    );
  }
  const rounds = Number(values.rounds ?? (quick ? QUICK_ROUNDS : ROUNDS));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new TypeError(`--rounds takes a number, not "${values.rounds}"`);
  }
  const writeDocs = values["write-docs"];
  return {
    quick,
    only,
    rounds,
    go: values.go ?? !quick,
    json,
    from,
    writeDocs,
  };
}

async function main(): Promise<void> {
  const flags = parseFlags(Deno.args);
  const before: Report | undefined = flags.from === undefined
    ? undefined
    : JSON.parse(await Deno.readTextFile(flags.from));
  const report = flags.only.length > 0 || before === undefined
    ? await run(flags, before)
    : before;
  if (flags.json !== undefined) {
    await Deno.writeTextFile(flags.json, JSON.stringify(report) + "\n");
  }
  print(showTable(aimsTable(report.measurements)));
  if (flags.writeDocs) await writeDocs(report);
}

async function run(
  { quick, only, rounds, go: wantsGo }: Flags,
  before: Report | undefined,
): Promise<Report> {
  await using go = wantsGo ? await buildGoPrograms(say) : undefined;
  if (!wantsGo) say("the peers in Go are left out");
  const context: BenchContext = { quick, rounds, go, say };
  const on = await surroundings(context);
  const measured: Measurement[] = [];
  for (const name of NAMES) {
    const bench = only.includes(name) ? BENCHES[name] : undefined;
    if (bench === undefined) continue;
    try {
      const measurement = await bench(context);
      measured.push(measurement);
      print(`${showTable(tableOf(measurement))}\n`);
    } catch (error) {
      // The measurements before it took long, and are kept.
      say(`${name} failed: ${error instanceof Error ? error.stack : error}`);
      Deno.exitCode = 1;
    }
  }
  const measurements = joinMeasurements(measured, {
    before: before?.measurements ?? [],
    names: NAMES,
  });
  return { on, quick, rounds, measurements };
}

async function writeDocs(report: Report): Promise<void> {
  const folder = new URL("../docs/", import.meta.url);
  const document = new URL("PERFORMANCE.md", folder);
  const text = await Deno.readTextFile(document);
  await Deno.writeTextFile(document, fillDocument(text, report));
  const store = report.measurements.find(({ name }) => name === "store");
  if (store) {
    const plot = new URL("throughput.svg", folder);
    await Deno.writeTextFile(plot, throughputPlot(store));
  }
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", fileURLToPath(document)],
  }).output();
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    say(error.message);
    Deno.exitCode = 2;
  }
}
