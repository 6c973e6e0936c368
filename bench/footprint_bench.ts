/**
 * What an agent that leads alone takes of its machine while nothing happens:
 * memory, processor and disk, its own and its etcd's. Linux only, for it reads
 * `/proc`. `KAT_TEST_AGENT` names a built file in place of the source.
 *
 * Starts are measured by a bench of their own; here only what stays is.
 *
 * @module
 */

import { startAgent } from "../tests/support/agent_process.ts";
import { initArgs, writeClusterFile } from "../tests/support/cluster_file.ts";
import { processesNaming } from "../tests/support/processes.ts";
import { tempDir } from "../tests/support/temp_dir.ts";

/** Options of {@linkcode footprintBench}. */
export interface FootprintOptions {
  /** How many agents are started, one after the other. @default {3} */
  readonly rounds?: number | undefined;
  /** How long each is left alone before it is looked at, in milliseconds. @default {10000} */
  readonly settleMs?: number | undefined;
  /** How long it is then watched, in milliseconds. @default {60000} */
  readonly idleMs?: number | undefined;
}

/** One figure: the median of the rounds, and the lowest and the highest. */
export interface FootprintRow {
  /** What was measured. */
  readonly name: string;
  /** In what. */
  readonly unit: "MB" | "% of a core" | "KB/s";
  /** The middle one. */
  readonly median: number;
  /** The lowest. */
  readonly min: number;
  /** The highest. */
  readonly max: number;
}

/** One process, as `/proc` shows it. */
interface Usage {
  readonly atMs: number;
  readonly rssMb: number;
  readonly anonMb: number;
  readonly fileMb: number;
  readonly peakMb: number;
  readonly pssMb: number;
  readonly cpuMs: number;
  readonly writtenBytes: number;
}

/** The processor's time is counted in hundredths of a second. */
const TICK_MS = 10;

if (import.meta.main) {
  const [rounds, idleSeconds] = Deno.args.map(Number);
  const rows = await footprintBench({
    rounds,
    idleMs: idleSeconds === undefined ? undefined : idleSeconds * 1_000,
  });
  for (const { name, unit, median, min, max } of rows) {
    const [middle, low, high] = [median, min, max].map((n) => n.toFixed(2));
    // deno-lint-ignore no-console -- the result of this program
    console.log(`${name.padEnd(40)} ${middle} ${unit} (${low} to ${high})`);
  }
}

/** Starts agents, leaves each alone, and returns what they took meanwhile. */
export async function footprintBench(
  { rounds = 3, settleMs = 10_000, idleMs = 60_000 }: FootprintOptions = {},
): Promise<readonly FootprintRow[]> {
  const found: Omit<FootprintRow, "median" | "min" | "max">[][] = [];
  const values: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    const figures = await watchOne(settleMs, idleMs);
    found.push(figures.map(({ name, unit }) => ({ name, unit })));
    values.push(figures.map(({ value }) => value));
  }
  return (found[0] ?? []).map((figure, index) => {
    const sorted = values.map((round) => round[index] ?? NaN)
      .sort((a, b) => a - b);
    return {
      ...figure,
      median: sorted[Math.floor(sorted.length / 2)] ?? NaN,
      min: sorted[0] ?? NaN,
      max: sorted.at(-1) ?? NaN,
    };
  });
}

type Figure = Pick<FootprintRow, "name" | "unit"> & { readonly value: number };

async function watchOne(settleMs: number, idleMs: number): Promise<Figure[]> {
  await using dir = await tempDir();
  const data = `${dir.path}/data`;
  const file = await writeClusterFile(dir.path);
  await using agent = startAgent(initArgs(file, data));
  await agent.logged("Became leader");
  await pause(settleMs);
  const etcdPid = (await processesNaming(`${data}/etcd`))
    .find((pid) => pid !== agent.pid) ?? NaN;
  const look = () => Promise.all([agent.pid, etcdPid].map(usageOf));
  const before = await look();
  await pause(idleMs);
  const after = await look();
  return ["agent", "etcd"].flatMap((who, index) => {
    const [from, to] = [before[index], after[index]];
    if (from === undefined || to === undefined) return [];
    const seconds = (to.atMs - from.atMs) / 1_000;
    return [
      { name: `${who}: memory (RSS)`, unit: "MB", value: to.rssMb },
      { name: `${who}: of which its own`, unit: "MB", value: to.anonMb },
      { name: `${who}: of which files`, unit: "MB", value: to.fileMb },
      { name: `${who}: its share (PSS)`, unit: "MB", value: to.pssMb },
      { name: `${who}: largest so far (RSS)`, unit: "MB", value: to.peakMb },
      {
        name: `${who}: processor`,
        unit: "% of a core",
        value: (to.cpuMs - from.cpuMs) / seconds / 10,
      },
      {
        name: `${who}: writes to disk`,
        unit: "KB/s",
        value: (to.writtenBytes - from.writtenBytes) / seconds / 1_000,
      },
    ] as const;
  });
}

async function usageOf(pid: number): Promise<Usage> {
  const read = (name: string) => Deno.readTextFile(`/proc/${pid}/${name}`);
  const [status, rollup, stat, io] = await Promise.all(
    ["status", "smaps_rollup", "stat", "io"].map(read),
  );
  const number = (text: string | undefined, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text ?? "")?.[1]);
  // After the name, which may hold anything: utime and stime are the 14th and 15th.
  const fields = (stat ?? "").slice((stat ?? "").lastIndexOf(")") + 2)
    .split(" ");
  return {
    atMs: performance.now(),
    rssMb: number(status, "VmRSS") / 1_024,
    anonMb: number(status, "RssAnon") / 1_024,
    fileMb: number(status, "RssFile") / 1_024,
    peakMb: number(status, "VmHWM") / 1_024,
    pssMb: number(rollup, "Pss") / 1_024,
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    writtenBytes: number(io, "write_bytes"),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
