import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { copyTree } from "../machine/copy_tree.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { processesNaming } from "../machine/processes.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { treeHash } from "../machine/tree_hash.ts";

Deno.test("run refuses an older copy of the store, says what to do, and changes nothing", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  const first = startAgent(initArgs(file, data));
  await first.logged("Became leader: n1");
  strictEqual((await first.stop()).code, 0);
  await copyTree(`${data}/etcd`, `${dir.path}/old`);
  const second = startAgent(["run", `--data-dir=${data}`]);
  await second.logged("Became leader: n1");
  await etcdctl(endpoint, "put", "/kat/workloads/a", "new");
  strictEqual((await second.stop()).code, 0);
  const identity = await Deno.readTextFile(`${data}/identity.json`);
  await Deno.remove(`${data}/etcd`, { recursive: true });
  await copyTree(`${dir.path}/old`, `${data}/etcd`);

  const { code, stderr } = await startAgent(["run", `--data-dir=${data}`])
    .ended;

  strictEqual(code, 1);
  match(
    stderr,
    /Cannot use the data directory ".*": its write-ahead log ends at entry \d+, and this node has seen entry \d+: it is an older copy/,
  );
  match(stderr, /delete identity\.json/);
  strictEqual(await Deno.readTextFile(`${data}/identity.json`), identity);
  deepStrictEqual(await processesNaming(data), []);

  await Deno.remove(`${data}/identity.json`);
  await using third = startAgent(["run", `--data-dir=${data}`]);
  await third.logged("Became leader: n1");
});

Deno.test("run refuses an etcd that may not take over the data, before it starts", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const agent = startAgent(initArgs(file, data));
  await agent.logged("Became leader: n1");
  await agent.stop();
  const { major, minor } = etcdBinaries.version;
  const path = `${data}/identity.json`;
  const identity = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      ...identity,
      etcdVersion: `${major}.${minor + 1}.0`,
      clusterVersion: `${major}.${minor + 1}.0`,
    }),
  );
  const before = await treeHash(`${data}/etcd`);

  const { code, stderr } = await startAgent(["run", `--data-dir=${data}`])
    .ended;

  strictEqual(code, 1);
  match(
    stderr,
    /is too old for data that etcd \S+ wrote in a cluster of version 3\.\d+/,
  );
  strictEqual(await treeHash(`${data}/etcd`), before);
});

Deno.test("init chooses the timing, keeps the lease of cluster.kat, and status shows both", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  await using agent = startAgent(initArgs(file, data));
  await agent.logged("Became leader: n1");
  const endpoint = `http://127.0.0.1:${file.clientPort}`;

  // A node that is alone leads before its disk is measured.
  await agent.logged("Updated the timing of the cluster");
  const timing = JSON.parse(
    await etcdctl(endpoint, "get", "--print-value-only", "/kat/config/timing"),
  );
  const { stdout } = await runAgent(["status", `--data-dir=${data}`]);

  strictEqual(timing.electionTimeoutMs, 100);
  strictEqual(timing.slowestNode, "n1");
  strictEqual(timing.leaderLeaseSeconds, undefined);
  ok(timing.diskP99Ms > 0);
  match(stdout, /^timing +heartbeat 10 ms, election 100 ms, lease 5 s$/m);
  match(stdout, /^fail-over +within 6 s$/m);
  match(stdout, /^slowest disk +n1: 99 % of writes within [\d.]+ ms$/m);
  await agent.stop();
  const record = JSON.parse(await Deno.readTextFile(`${data}/node.json`));
  deepStrictEqual(record.timing, timing);
});
