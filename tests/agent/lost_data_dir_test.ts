import { match, ok, strictEqual } from "node:assert/strict";
import { startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { processesNaming } from "../machine/processes.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { treeHash } from "../machine/tree_hash.ts";

/** What happens to a data directory under a running agent, and what the agent says of it. */
const LOSSES: readonly (readonly [
  string,
  (data: string) => Promise<void>,
  RegExp,
])[] = [
  [
    "is removed",
    (data) => Deno.remove(data, { recursive: true }),
    /it is gone/,
  ],
  [
    "is moved away",
    (data) => Deno.rename(data, `${data}.away`),
    /it is gone/,
  ],
  [
    "is unmounted, so that its mount point appears",
    async (data) => {
      await Deno.rename(data, `${data}.away`);
      await Deno.mkdir(data);
    },
    /another directory is in its place/,
  ],
  [
    "loses node.json",
    (data) => Deno.remove(`${data}/node.json`),
    /node\.json is gone from it/,
  ],
  [
    "loses etcd/",
    (data) => Deno.rename(`${data}/etcd`, `${data}.etcd`),
    /etcd's data is gone from it/,
  ],
  [
    "gets another etcd/",
    async (data) => {
      await Deno.rename(`${data}/etcd`, `${data}.etcd`);
      await Deno.mkdir(`${data}/etcd`);
    },
    /another directory is in the place of etcd's data/,
  ],
  [
    "loses etcd's database",
    (data) => Deno.remove(`${data}/etcd/member/snap/db`),
    /etcd's database is gone from it/,
  ],
];

for (const [what, lose, why] of LOSSES) {
  Deno.test(`a leader whose data directory ${what} resigns, stops its etcd and says so within seconds`, async () => {
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    const data = `${dir.path}/data`;
    await using agent = startAgent(initArgs(file, data));
    await agent.logged("Became leader: n1");
    const mark = agent.lines.length;

    await lose(data);
    const lostMs = Date.now();
    const resigned = await agent.logged("Resigned leadership", mark);
    const { code, stderr } = await agent.ended;

    ok(resigned.timeMs - lostMs < 5_000, `${resigned.timeMs - lostMs} ms`);
    strictEqual(code, 1);
    match(
      stderr,
      /^kat-agent: Cannot go on: the data directory ".*" was lost/m,
    );
    match(stderr, why);
    strictEqual(await processesNaming(data).then((all) => all.length), 0);
    // Nothing is written to what lies in its place.
    if (/unmounted/.test(what)) {
      strictEqual((await Array.fromAsync(Deno.readDir(data))).length, 0);
      ok(await treeHash(`${data}.away`) !== "absent");
    }
    const again = startAgent(initArgs(file, data));
    const { code: second, stderr: refused } = await again.ended;
    strictEqual(second, 1);
    match(refused, /Cannot (start|use)/);
  });
}
