import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { OWN_NAMES } from "../../src/config/shared_spec.ts";
import { SPEC_NAMES } from "../../src/config/spec_rules.ts";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { makeCluster } from "../machine/cluster_on_etcd.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { eventually } from "../machine/eventually.ts";
import { processesNaming, processNumbers } from "../machine/processes.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { treeHash } from "../machine/tree_hash.ts";

const UUID =
  /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

Deno.test("init on a clean directory makes a cluster and leads it", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  await using agent = startAgent(initArgs(file, data));
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  await agent.logged("Successfully initialized etcd");
  const became = await agent.logged("Became leader: ");

  strictEqual(became.message, "Became leader: n1");
  const mode = (await Deno.stat(`${data}/etcd`)).mode ?? 0;
  strictEqual(mode & 0o777, 0o700);
  strictEqual((await Deno.stat(`${data}/etcd/member/snap/db`)).isFile, true);
  // Read back by etcd's own client.
  const uid = await etcdctl(
    endpoint,
    "get",
    "--print-value-only",
    "/kat/config/cluster_uid",
  );
  match(uid, UUID);
  const config = JSON.parse(
    await etcdctl(
      endpoint,
      "get",
      "--print-value-only",
      "/kat/config/cluster_config",
    ),
  );
  strictEqual(config.clusterCIDR, "10.100.0.0/16");
  strictEqual(config.serviceCIDR, "10.200.0.0/16");
  strictEqual(config.agentPort, 9116);
  strictEqual(config.apiPort, 9115);
  strictEqual(config.etcdClientPort, file.clientPort);
  strictEqual(config.nodeSubnetBits, 7);
  strictEqual(config.clusterDomain, "kat.cluster.local");
  // What is a node's own is not the cluster's.
  deepStrictEqual(Object.keys(config), [
    ...SPEC_NAMES.filter((name) => !OWN_NAMES.some((own) => own === name)),
    "etcd",
  ]);
  strictEqual(
    await etcdctl(endpoint, "get", "--print-value-only", "/kat/schema_version"),
    "1",
  );
  const [key, leader] = (await etcdctl(
    endpoint,
    "get",
    "--prefix",
    "/kat/leader_election/",
  )).split("\n");
  match(key ?? "", /^\/kat\/leader_election\/[0-9a-f]+$/);
  strictEqual(leader, "n1");

  const { code } = await agent.stop();
  strictEqual(code, 0);
  deepStrictEqual(agent.lines.slice(-2).map(({ message }) => message), [
    "etcd stopped",
    "kat-agent stopped",
  ]);
  deepStrictEqual(await processesNaming(data), []);
});

Deno.test("run after a stop serves the same cluster with the same data in a later term", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  const facts = async () =>
    await etcdctl(endpoint, "get", "--prefix", "/kat/config/");
  const first = startAgent(initArgs(file, data));
  const firstTerm = await first.logged("Became leader: n1");
  await first.logged("Updated the timing of the cluster");
  const before = await facts();
  await etcdctl(endpoint, "put", "/kat/workloads/a", "kept");
  strictEqual((await first.stop()).code, 0);

  const terms = [Number(firstTerm.fields.fence)];
  const again = [
    ["run", `--data-dir=${data}`],
    initArgs(file, data),
  ];
  for (const args of again) {
    const agent = startAgent(args);
    const term = await agent.logged("Became leader: n1");
    terms.push(Number(term.fields.fence));
    strictEqual(await facts(), before);
    strictEqual(
      await etcdctl(endpoint, "get", "--print-value-only", "/kat/workloads/a"),
      "kept",
    );
    strictEqual(
      agent.lines.some(({ message }) => message === "Created the cluster"),
      false,
    );
    strictEqual((await agent.stop()).code, 0);
  }

  deepStrictEqual(terms, [...new Set(terms)].sort((a, b) => a - b));
});

Deno.test("a leader that has nothing to do writes nothing", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path, {
    spec: { leaderLeaseSeconds: 2 },
  });
  const data = `${dir.path}/data`;
  await using agent = startAgent(initArgs(file, data), {
    // Deno's own notes about permissions are not the agent's writes.
    env: { DENO_AUDIT_PERMISSIONS: "/dev/null" },
  });
  await agent.logged("Became leader: n1");
  await agent.logged("Updated the timing of the cluster");
  await eventually(async () => {
    const { timing } = JSON.parse(await Deno.readTextFile(`${data}/node.json`));
    ok(timing);
    await Deno.lstat(`${data}/identity.json`);
  });
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  const before = await writtenBytes(agent.pid);
  // Three leases long, by the clock of etcd; the timer's own writes are two.
  const timer = (await etcdctl(endpoint, "lease", "grant", "6")).split(" ")[1];
  await etcdctl(endpoint, "put", `--lease=${timer}`, "/timer", "runs");
  await using store = new EtcdStore({ endpoints: [endpoint] });
  const { version } = await store.get("/timer") ?? { version: 0n };
  await using watch = await store.watch("/", { startRevision: version + 1n });

  const { value } = await watch.next();

  strictEqual(value?.kv.key, "/timer");
  strictEqual(value.kv.version, version + 1n, "something else was written");
  // What it logs is all that it may write.
  strictEqual(await writtenBytes(agent.pid), before);
});

/** The bytes that a process has caused to be written to storage. */
async function writtenBytes(pid: number): Promise<number> {
  return (await processNumbers(pid, "io"))("write_bytes");
}

Deno.test("flags can be given as variables of the environment", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  await using agent = startAgent(["init", `--config=${file.path}`], {
    env: {
      KAT_DATA_DIR: data,
      KAT_NODE_NAME: "from-env",
      KAT_ADVERTISE_ADDRESS: "127.0.0.2",
      KAT_INITIAL_CLUSTER: `from-env=http://127.0.0.2:${file.peerPort}`,
    },
  });
  await agent.logged("Became leader: from-env");
  const endpoint = `http://127.0.0.2:${file.clientPort}`;
  await using other = startAgent(["run"], {
    env: { KAT_ENDPOINTS: endpoint, KAT_NODE_NAME: "second" },
  });
  await other.logged("Observing leader: from-env");
});

Deno.test("an agent that does not lead says that it stopped, and why", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 5);
  const run = (name: string) =>
    startAgent([
      "run",
      `--endpoints=${etcd.endpoint}`,
      `--node-name=${name}`,
    ]);
  await using leader = run("n1");
  await leader.logged("Became leader: n1");
  await using follower = run("n2");
  await follower.logged("Observing leader: n1");

  follower.kill("SIGINT");

  strictEqual((await follower.ended).code, 0);
  const last = follower.lines.at(-1);
  strictEqual(last?.message, "kat-agent stopped");
  strictEqual(last.fields.signal, "SIGINT");
});

Deno.test("init applies a changed setting that may change, and says so", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const args = initArgs(file, `${dir.path}/data`);
  const first = startAgent(args);
  await first.logged("Became leader: n1");
  await first.stop();

  const text = await Deno.readTextFile(file.path);
  await Deno.writeTextFile(
    file.path,
    text.replace("leaderLeaseSeconds: 5", "leaderLeaseSeconds: 7"),
  );
  await using second = startAgent(args);
  const changed = await second.logged("Changed a setting of the cluster");
  await second.logged("Became leader: n1");

  strictEqual(changed.fields.field, "spec.leaderLeaseSeconds");
  strictEqual(changed.fields.to, 7);
  const stored = await etcdctl(
    `http://127.0.0.1:${file.clientPort}`,
    "get",
    "--print-value-only",
    "/kat/config/cluster_config",
  );
  strictEqual(JSON.parse(stored).leaderLeaseSeconds, 7);
});

Deno.test("an agent whose etcd is killed ends its term at once, starts etcd again and leads on the same data", async () => {
  await using dir = await tempDir();
  // Far longer than the test waits: nothing here happens because it ran out.
  const file = await writeClusterFile(dir.path, {
    spec: { leaderLeaseSeconds: 300 },
  });
  const data = `${dir.path}/data`;
  await using agent = startAgent(initArgs(file, data));
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  const started = await agent.logged("etcd started");
  const first = await agent.logged("Became leader: n1");
  await etcdctl(endpoint, "put", "/kat/workloads/a", "kept");

  const pid = Number(started.fields.pid);
  const before = agent.lines.length;
  Deno.kill(pid, "SIGKILL");
  await agent.logged("etcd ended by itself", before);
  await agent.logged("Lost leadership: its etcd ended", before);
  await agent.logged("etcd serves", before);
  const second = await agent.logged("Became leader: n1", before);

  ok(Number(second.fields.fence) > Number(first.fields.fence));
  strictEqual(
    await etcdctl(endpoint, "get", "--print-value-only", "/kat/workloads/a"),
    "kept",
  );
});

Deno.test("run on a damaged log of etcd reports it with etcd's own last output, and repairs nothing", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const first = startAgent(initArgs(file, data));
  await first.logged("Became leader: n1");
  await first.stop();
  const wal = `${data}/etcd/member/wal`;
  const [log] = (await Array.fromAsync(Deno.readDir(wal)))
    .filter(({ name }) => name.endsWith(".wal"));
  const bytes = await Deno.readFile(`${wal}/${log?.name}`);
  // In the second record, the member's identity: its checksum fails, and it is
  // never taken for a record that a power cut left incomplete.
  bytes[44] = (bytes[44] ?? 0) ^ 0xff;
  await Deno.writeFile(`${wal}/${log?.name}`, bytes);

  const agent = startAgent(["run", `--data-dir=${data}`]);
  const { code, stderr } = await agent.ended;

  strictEqual(code, 1);
  match(stderr, /damaged/);
  match(stderr, /^ {2}\| fatal: .*(?:crc mismatch|proto: )/m);
  deepStrictEqual(await processesNaming(data), []);
  deepStrictEqual(await Deno.readFile(`${wal}/${log?.name}`), bytes);
  const status = await runAgent(["status", `--data-dir=${data}`]);
  strictEqual(status.code, 1);
  match(
    status.stdout,
    /^! etcd on node "n1" stopped by itself: its data is damaged \(.*restore a backup/m,
  );
});

Deno.test("an agent whose etcd lost its data makes no new cluster of it", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  await using agent = startAgent(initArgs(file, data));
  const started = await agent.logged("etcd started");
  await agent.logged("Became leader: n1");

  await Deno.remove(`${data}/etcd`, { recursive: true });
  const mark = agent.lines.length;
  Deno.kill(Number(started.fields.pid), "SIGKILL");
  await agent.logged("Lost leadership", mark);
  const { code, stderr } = await agent.ended;

  strictEqual(code, 1);
  match(stderr, /was lost while the agent ran: etcd's data is gone from it/);
  strictEqual(await treeHash(`${data}/etcd`), "absent");
});

Deno.test("init continues with a corrected file when the first start made no cluster", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const args = initArgs(file, `${dir.path}/data`);
  // Looks like etcd until it should serve.
  const failing = `${dir.path}/failing-etcd`;
  await Deno.writeTextFile(
    failing,
    `#!/bin/sh\n[ "$1" = --version ] && exec '${etcdBinaries.etcd}' --version\nexit 1\n`,
    { mode: 0o755 },
  );
  const first = startAgent(args, { env: { KAT_ETCD_BINARY: failing } });
  strictEqual((await first.ended).code, 1);

  const text = await Deno.readTextFile(file.path);
  await Deno.writeTextFile(file.path, text.replace("10.100.", "10.101."));
  await using second = startAgent(args.with(3, "--node-name=n2"));
  await second.logged("Became leader: n2");
});

Deno.test("stopping ends an etcd that a wrapper script executed", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const script = `${dir.path}/wrapped-etcd`;
  await Deno.writeTextFile(
    script,
    `#!/bin/sh\nexec '${etcdBinaries.etcd}' "$@"\n`,
    { mode: 0o755 },
  );
  const agent = startAgent(initArgs(file, data), {
    env: { KAT_ETCD_BINARY: script },
  });
  await agent.logged("Became leader: n1");
  strictEqual((await agent.stop()).code, 0);
  await eventually(async () =>
    deepStrictEqual(await processesNaming(`${data}/etcd`), [])
  );
});

Deno.test("a lone node goes on with its data at another address, which it then keeps", async () => {
  await using dir = await tempDir();
  const hostnames = ["127.0.0.1", "127.0.0.4", "127.0.0.5"];
  const file = await writeClusterFile(dir.path, { hostnames });
  const args = initArgs(file, `${dir.path}/data`);
  const at = (host: string) => [...args, `--advertise-address=${host}`];
  {
    await using first = startAgent(at("127.0.0.4"));
    await first.logged("Became leader");
    const url = `http://127.0.0.4:${file.clientPort}`;
    await etcdctl(url, "put", "/app/a", "kept");
  }
  {
    await using moved = startAgent(at("127.0.0.5"));
    await moved.logged("Told etcd the new address");
    await moved.logged("Became leader");
  }
  // Neither names an address.
  for (const command of [args, ["run", `--data-dir=${dir.path}/data`]]) {
    await using again = startAgent(command);
    await again.logged("Became leader");
    const url = `http://127.0.0.5:${file.clientPort}`;
    match(await etcdctl(url, "get", "/app/a"), /kept/);
    match(await etcdctl(url, "member", "list"), /http:\/\/127\.0\.0\.5:/);
  }
});
