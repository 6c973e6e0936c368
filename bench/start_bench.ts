/**
 * From nothing to a leader, and from a data directory to a leader: the agent
 * against the bare etcd with the same flags, and against a Go program with an
 * etcd inside it.
 *
 * @module
 */

import { findProcess } from "../src/base/process_table.ts";
import {
  type AgentProcess,
  startAgent,
} from "../tests/machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../tests/machine/cluster_file.ts";
import { tempDir } from "../tests/machine/temp_dir.ts";
import { timeBareEtcd, timeUntilLine } from "./bare_start.ts";
import { cacheEtcd } from "./cached_etcd.ts";
import {
  type Aim,
  type BenchContext,
  compare,
  type Measurement,
  ratios,
  type Row,
} from "./measurement.ts";
import { type Contestant, runRounds } from "./rounds.ts";

/** A start of one kind in `dir`, twice: the first finds nothing there. */
type Starter = (dir: string) => Promise<number>;

const FRESH = "fresh directory";
const RESTART = "restart";
const BARE = "bare etcd";
const EMBEDDED = "Go with embedded etcd";
/** How much longer than the bare etcd the agent may take. */
const AIM_MS = 150;

/** Measures it. */
export async function startBench(context: BenchContext): Promise<Measurement> {
  await using dir = await tempDir();
  const starters = await startersIn(dir.path, context);
  const rows: Row[] = [];
  for (const what of [FRESH, RESTART]) {
    context.say(`start: ${what}`);
    const contestants = starters.map(({ name, start }, index): Contestant => {
      let count = 0;
      return {
        name,
        async run() {
          const place = `${dir.path}/${what === FRESH ? "f" : "r"}${index}`;
          const data = what === FRESH ? `${place}-${count++}` : place;
          return { ms: await start(data) };
        },
      };
    });
    // The round that does not count makes the directory for the restarts.
    const { rounds } = context;
    rows.push(...await runRounds(contestants, { what, rounds }));
  }
  return {
    name: "start",
    subject: "start",
    columns: [
      { title: "ms", figure: "ms", digits: 0, as: "spread" },
      { title: "agent takes ×", figure: "ms", digits: 2, as: "ratio" },
      { title: "agent takes + ms", figure: "ms", digits: 0, as: "difference" },
    ],
    rows,
    aims: aimsOf(rows, context),
    notes: [
      'The agent is the built file with etcd in its cache, whose checksum it looks at on each start; its time is until "Became leader" can be read on its log. The bare etcd has the arguments of the agent\'s own and is asked for /health every millisecond. The program in Go has the default settings of its library and campaigns as clientv3 does.',
    ],
  };
}

async function startersIn(
  dir: string,
  { go }: BenchContext,
): Promise<readonly { readonly name: string; readonly start: Starter }[]> {
  const cacheDir = `${dir}/cache`;
  const cached = await cacheEtcd(cacheDir);
  const file = await writeClusterFile(dir, {
    spec: { etcd: cached.spec, leaderLeaseSeconds: 15 },
  });
  const clientUrl = `http://127.0.0.1:${file.clientPort}`;
  const peerUrl = `http://127.0.0.1:${file.peerPort}`;
  const env = { KAT_ETCD_BINARY: "", KAT_CACHE_DIR: cacheDir };

  /** Starts the agent, waits until it leads, and ends it. */
  async function lead<Result>(
    data: string,
    onLeader: (agent: AgentProcess) => Promise<Result> | Result,
  ): Promise<Result> {
    await using agent = startAgent(initArgs(file, data), { env });
    await agent.logged("Became leader");
    return await onLeader(agent);
  }

  const example = `${dir}/example`;
  const command = await lead(example, etcdCommand);
  return [
    {
      name: "kat-agent",
      start: (data) => {
        const start = performance.now();
        return lead(data, () => performance.now() - start);
      },
    },
    {
      name: BARE,
      async start(data) {
        await Deno.mkdir(data, { recursive: true });
        const args = command.map((arg) => arg.replace(example, data));
        return await timeBareEtcd(args, clientUrl);
      },
    },
    ...(go
      ? [{
        name: EMBEDDED,
        start: (data: string) =>
          timeUntilLine(go.embedded, [data, clientUrl, peerUrl], "leader"),
      }]
      : []),
  ];
}

/** The command line of an agent's etcd. */
async function etcdCommand(agent: AgentProcess): Promise<readonly string[]> {
  const { fields: { pid } } = await agent.logged("etcd started");
  const etcd = await findProcess(Number(pid));
  if (etcd === undefined) throw new Error("The agent's etcd is gone");
  return etcd.args;
}

function aimsOf(rows: readonly Row[], { go }: BenchContext): readonly Aim[] {
  const row = (name: string) =>
    rows.find(({ what, peer }) => what === FRESH && peer === name);
  const [agent, bare] = [row("kat-agent"), row(BARE)];
  const longer = agent && bare
    ? compare(agent, bare, "ms").map(({ our, their }) => our - their)
    : [];
  const aims: Aim[] = [{
    what: "init to leader, more than the bare etcd to /health",
    relation: "≤",
    bound: AIM_MS,
    unit: "ms",
    values: longer,
  }];
  if (go) {
    aims.push({
      what: "init to leader against Go with embedded etcd, default settings",
      relation: "≤",
      bound: 1,
      unit: "×",
      values: ratios(rows, { what: FRESH, peer: EMBEDDED, figure: "ms" }),
    });
  }
  return aims;
}
