/**
 * What an idle agent that leads alone uses: memory, processor and disk, of the
 * agent and of its etcd. Linux only, because it reads `/proc`. The agent is the built file where `KAT_TEST_AGENT` names one.
 *
 * @module
 */

import { sleep } from "../tests/machine/sleep.ts";
import { startAgent } from "../tests/machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../tests/machine/cluster_file.ts";
import {
  processesNaming,
  processNumbers,
  statFields,
} from "../tests/machine/processes.ts";
import { tempDir } from "../tests/machine/temp_dir.ts";
import type { Aim, BenchContext, Measurement, Row } from "./measurement.ts";

/** How long an agent runs before it is measured, in milliseconds. */
const SETTLE_MS = 15_000;
/** How long it is then measured, in milliseconds. */
const IDLE_MS = 30_000;
/** Each takes most of a minute. */
const MOST_ROUNDS = 3;

/** The default of cluster.kat; a shorter lease is renewed more often. */
const LEASE_SECONDS = 15;

const WHAT = "leads, idle";
const AGENT = "agent";
/** What is aimed at, by figure. */
const AIMS = [
  { figure: "rssMb", what: "memory of an idle agent", bound: 75, unit: "MB" },
  { figure: "cpu", what: "processor of an idle agent", bound: 0.3, unit: "%" },
  {
    figure: "written",
    what: "disk writes of an idle agent",
    bound: 0,
    unit: "KB/s",
  },
] as const;

/** One process, as `/proc` shows it. */
interface Usage {
  readonly atMs: number;
  readonly rssMb: number;
  readonly anonMb: number;
  readonly peakMb: number;
  readonly cpuMs: number;
  readonly writtenBytes: number;
}

/** The processor's time is counted in hundredths of a second. */
const TICK_MS = 10;

/** Starts agents, leaves them idle, and measures what they use meanwhile. */
export async function footprintBench(
  { quick, rounds, say }: BenchContext,
): Promise<Measurement> {
  const [settleMs, idleMs] = quick ? [500, 500] : [SETTLE_MS, IDLE_MS];
  const figures = new Map<string, Record<string, number[]>>();
  for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
    say(`footprint: round ${round + 1}`);
    for (const [peer, values] of await watchOne(settleMs, idleMs)) {
      const all = figures.get(peer) ?? {};
      for (const [name, value] of Object.entries(values)) {
        (all[name] ??= []).push(value);
      }
      figures.set(peer, all);
    }
  }
  const rows: Row[] = [...figures].map(([peer, figures]) => ({
    what: WHAT,
    peer,
    figures,
  }));
  return {
    name: "footprint",
    subject: "node",
    columns: [
      { title: "RSS, MB", figure: "rssMb", digits: 0, as: "spread" },
      { title: "of which its own", figure: "anonMb", digits: 0 },
      { title: "largest so far", figure: "peakMb", digits: 0 },
      { title: "% of a core", figure: "cpu", digits: 2, as: "spread" },
      { title: "written, KB/s", figure: "written", digits: 1 },
    ],
    rows,
    aims: AIMS.map(({ figure, what, bound, unit }): Aim => ({
      what,
      relation: "≤",
      bound,
      unit,
      values: figures.get(AGENT)?.[figure] ?? [],
    })),
    notes: [
      `Looked at ${SETTLE_MS / 1_000} s after it was started, for ${
        IDLE_MS / 1_000
      } s, with a lease of ${LEASE_SECONDS} s.`,
    ],
  };
}

/** The figures of an agent and its etcd. */
async function watchOne(
  settleMs: number,
  idleMs: number,
): Promise<
  readonly (readonly [
    peer: string,
    figures: Readonly<Record<string, number>>,
  ])[]
> {
  await using dir = await tempDir();
  const data = `${dir.path}/data`;
  const file = await writeClusterFile(dir.path, {
    spec: { leaderLeaseSeconds: LEASE_SECONDS },
  });
  await using agent = startAgent(initArgs(file, data));
  await agent.logged("Became leader");
  await sleep(settleMs);
  const etcdPid = (await processesNaming(`${data}/etcd`))
    .find((pid) => pid !== agent.pid) ?? NaN;
  const look = () => Promise.all([agent.pid, etcdPid].map(usageOf));
  const before = await look();
  await sleep(idleMs);
  const after = await look();
  return [AGENT, "its etcd"].flatMap((peer, index) => {
    const [from, to] = [before[index], after[index]];
    if (from === undefined || to === undefined) return [];
    const seconds = (to.atMs - from.atMs) / 1_000;
    const { rssMb, anonMb, peakMb } = to;
    return [[peer, {
      rssMb,
      anonMb,
      peakMb,
      cpu: (to.cpuMs - from.cpuMs) / seconds / 10,
      written: (to.writtenBytes - from.writtenBytes) / seconds / 1_000,
    }]] as const;
  });
}

async function usageOf(pid: number): Promise<Usage> {
  const [status, stat, io] = await Promise.all([
    processNumbers(pid, "status"),
    statFields(pid),
    processNumbers(pid, "io"),
  ]);
  return {
    atMs: performance.now(),
    rssMb: status("VmRSS") / 1_024,
    anonMb: status("RssAnon") / 1_024,
    peakMb: status("VmHWM") / 1_024,
    // utime and stime, the 14th and 15th of all fields.
    cpuMs: (Number(stat[11]) + Number(stat[12])) * TICK_MS,
    writtenBytes: io("write_bytes"),
  };
}
