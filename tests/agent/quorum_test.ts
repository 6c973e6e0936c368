import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import {
  type AgentProcess,
  runAgent,
  startAgent,
} from "../machine/agent_process.ts";
import {
  type ClusterFile,
  initArgs,
  writeClusterFile,
} from "../machine/cluster_file.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { eventually } from "../machine/eventually.ts";
import { measureStalls } from "../machine/stall.ts";
import { tempDir } from "../machine/temp_dir.ts";

/** Loopback addresses in place of three machines; the same ports are free on each. */
const HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
const NAMES = ["n1", "n2", "n3"];
const LEASE_SECONDS = 5;

/** Three nodes that were started at once. */
class Trio implements AsyncDisposable {
  readonly #dir: string;
  readonly #file: ClusterFile;
  readonly #agents = new Map<string, AgentProcess>();

  constructor(dir: string, file: ClusterFile) {
    this.#dir = dir;
    this.#file = file;
  }

  endpoint(name: string): string {
    return `http://${HOSTS[NAMES.indexOf(name)]}:${this.#file.clientPort}`;
  }

  init(name: string, names: readonly string[] = NAMES): AgentProcess {
    const members = names.map((one) =>
      `${one}=http://${HOSTS[NAMES.indexOf(one)]}:${this.#file.peerPort}`
    );
    return this.#keep(
      name,
      startAgent([
        "init",
        `--config=${this.#file.path}`,
        `--data-dir=${this.#dir}/${name}`,
        `--node-name=${name}`,
        `--initial-cluster=${members.join(",")}`,
      ]),
    );
  }

  run(name: string): AgentProcess {
    return this.#keep(
      name,
      startAgent(["run", `--data-dir=${this.#dir}/${name}`]),
    );
  }

  dataDir(name: string): string {
    return `${this.#dir}/${name}`;
  }

  agent(name: string): AgentProcess {
    const agent = this.#agents.get(name);
    ok(agent);
    return agent;
  }

  /** How long etcd may take to replace a leader that died: twice the time-out that the disks asked for. */
  async etcdElectionMs(name: string): Promise<number> {
    const path = `${this.#dir}/${name}/node.json`;
    const { timing } = JSON.parse(await Deno.readTextFile(path));
    return 2 * timing.electionTimeoutMs;
  }

  /** The name of the node that leads, once all others observe it. */
  async settled(names: readonly string[] = NAMES): Promise<string> {
    const leader = await Promise.any(
      names.map((name) =>
        this.agent(name).logged("Became leader: ").then(() => name)
      ),
    );
    for (const name of names.filter((one) => one !== leader)) {
      await this.agent(name).logged(`Observing leader: ${leader}`);
    }
    return leader;
  }

  /** Kills a node's etcd and agent, as a power cut does. */
  async powerOff(name: string): Promise<void> {
    const agent = this.agent(name);
    const { fields } = await agent.logged("etcd started");
    agent.kill("SIGKILL");
    Deno.kill(Number(fields.pid), "SIGKILL");
    await agent.ended;
  }

  #keep(name: string, agent: AgentProcess): AgentProcess {
    this.#agents.set(name, agent);
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#agents.values()].map((agent) => agent[Symbol.asyncDispose]()),
    );
  }
}

async function prepare(
  dir: string,
  leaderLeaseSeconds = LEASE_SECONDS,
): Promise<Trio> {
  const file = await writeClusterFile(dir, {
    hostnames: HOSTS,
    spec: { leaderLeaseSeconds },
  });
  return new Trio(dir, file);
}

Deno.test("three nodes make one cluster: one leads, two observe", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path);
  for (const name of NAMES) trio.init(name);
  const leader = await trio.settled();

  const created = NAMES.filter((name) =>
    trio.agent(name).lines.some(({ message }) =>
      message === "Created the cluster"
    )
  );
  strictEqual(created.length, 1, "exactly one node creates the cluster");
  const uids = await Promise.all(
    NAMES.map((name) =>
      etcdctl(trio.endpoint(name), "get", "/kat/config/cluster_uid")
    ),
  );
  strictEqual(new Set(uids).size, 1);
  const members = await etcdctl(trio.endpoint("n2"), "member", "list");
  strictEqual(members.split("\n").length, 3);

  // An orderly stop of the leader's whole node hands over at once.
  const others = NAMES.filter((name) => name !== leader);
  const marks = others.map((name) => trio.agent(name).lines.length);
  using stalls = measureStalls();
  const end = await trio.agent(leader).stop();
  strictEqual(end.code, 0);
  const resigned = await trio.agent(leader).logged("Resigned leadership");
  const became = await Promise.any(
    others.map((name, index) =>
      trio.agent(name).logged("Became leader: ", marks[index])
    ),
  );
  const tookMs = became.timeMs - resigned.timeMs;
  ok(tookMs < 1_000 + stalls.totalMs, `hand-over took ${tookMs} ms`);
});

Deno.test("the leader's node is killed: another leads, writes go on, and the node comes back", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path);
  for (const name of NAMES) trio.init(name);
  const leader = await trio.settled();
  const others = NAMES.filter((name) => name !== leader);
  const marks = others.map((name) => trio.agent(name).lines.length);

  using stalls = measureStalls();
  const killedMs = Date.now();
  await trio.powerOff(leader);
  const became = await Promise.any(
    others.map((name, index) =>
      trio.agent(name).logged("Became leader: ", marks[index])
    ),
  );
  const endpoint = trio.endpoint(others[0] ?? "");
  await etcdctl(endpoint, "put", "/kat/workloads/a", "written");

  const newLeader = String(became.fields.leaderId);
  const tookMs = became.timeMs - killedMs;
  const boundMs = LEASE_SECONDS * 1_000 +
    await trio.etcdElectionMs(newLeader) + 2_000 + stalls.totalMs;
  ok(tookMs <= boundMs, `it took ${tookMs} ms, more than ${boundMs}`);
  const back = trio.run(leader);
  await back.logged(`Observing leader: ${newLeader}`);
  await eventually(async () =>
    strictEqual(
      await etcdctl(
        trio.endpoint(leader),
        "get",
        "--print-value-only",
        "/kat/workloads/a",
      ),
      "written",
    )
  );
});

Deno.test("the leader's etcd is killed: its term ends at once, and a node leads before the lease is over", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path, 300);
  for (const name of NAMES) trio.init(name);
  const leader = await trio.settled();
  const marks = NAMES.map((name) => trio.agent(name).lines.length);
  const started = trio.agent(leader).lines.findLast(({ message }) =>
    message === "etcd started"
  );

  Deno.kill(Number(started?.fields.pid), "SIGKILL");
  await trio.agent(leader).logged("Lost leadership: its etcd ended");
  // No lease expires while this waits: it was given back.
  await Promise.any(
    NAMES.map((name, index) =>
      trio.agent(name).logged("Became leader: ", marks[index])
    ),
  );
});

Deno.test("with two of three nodes down the last names the missing members, and continues when they are back", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path);
  for (const name of NAMES) trio.init(name);
  await trio.settled();
  await etcdctl(trio.endpoint("n1"), "put", "/kat/workloads/a", "kept");
  const last = trio.agent("n1");
  const mark = last.lines.length;

  await trio.powerOff("n2");
  await trio.powerOff("n3");
  const missing = await last.logged("The store cannot be reached", mark);
  match(String(missing.fields.waitsFor), /n2 \(http.*n3 \(http/);
  const status = await runAgent(["status", `--data-dir=${dir.path}/n1`]);
  strictEqual(status.code, 1);
  match(status.stdout, /^! The store does not answer/m);
  for (const name of ["n2", "n3"]) {
    const url = trio.endpoint(name);
    // The own member knows the others' names without a majority.
    ok(status.stdout.includes(`! Member "${name}" at ${url} does not answer`));
  }

  trio.run("n2");
  await last.logged("The store can be reached again", mark);
  const leader = await Promise.any([
    last.logged("Became leader: n1", mark),
    trio.agent("n2").logged("Became leader: n2"),
  ]);

  match(leader.message, /Became leader: n[12]/);
  strictEqual(
    await etcdctl(
      trio.endpoint("n1"),
      "get",
      "--print-value-only",
      "/kat/workloads/a",
    ),
    "kept",
  );
});

Deno.test("a node that waits for its peers names them, and stops in order", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path);
  const alone = trio.init("n1");
  const waiting = await alone.logged("Waiting for other members");
  match(String(waiting.fields.waitsFor), /^n2 \(http.*, n3 \(http/);
  strictEqual(waiting.fields.needed, "2 of 3");

  const { code } = await alone.stop();

  strictEqual(code, 0);
  deepStrictEqual(
    alone.lines.filter(({ message }) => message === "etcd stopped").length,
    1,
  );
});

Deno.test("a leader that is told to stop when the majority has just gone resigns as far as it can, and ends with 0", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path);
  for (const name of NAMES) trio.init(name);
  const name = await trio.settled();
  const leader = trio.agent(name);
  const others = NAMES.filter((one) => one !== name);

  using stalls = measureStalls();
  await Promise.all(others.map((other) => trio.powerOff(other)));
  const toldMs = Date.now();
  const { code } = await leader.stop();

  strictEqual(code, 0);
  const mark = leader.lines.findIndex(({ timeMs }) => timeMs >= toldMs);
  const given = await leader.logged("Stopping etcd", mark);
  // 2 s is the sum of its own limits; after 4 s the store's Worker would be ended.
  const tookMs = given.timeMs - toldMs;
  ok(tookMs < 3_000 + stalls.totalMs, `it took ${tookMs} ms`);
  deepStrictEqual(
    leader.lines.filter(({ level }) => level === "error"),
    [],
    "no part was given up",
  );
});

Deno.test("a node whose cluster.kat says otherwise is refused, and the cluster goes on", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path);
  trio.init("n1");
  trio.init("n2");
  const leader = await trio.settled(["n1", "n2"]);
  const path = `${dir.path}/cluster.kat`;
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(
    path,
    text.replace("clusterCIDR: 10.100.0.0/16", "clusterCIDR: 10.101.0.0/16"),
  );

  const { code, stderr } = await trio.init("n3").ended;

  strictEqual(code, 78);
  match(
    stderr,
    /clusterCIDR: the cluster has "10\.100\.0\.0\/16", cluster\.kat says "10\.101\.0\.0\/16"/,
  );
  match(
    await etcdctl(
      trio.endpoint(leader),
      "get",
      "--print-value-only",
      "/kat/config/cluster_config",
    ),
    /"clusterCIDR":"10\.100\.0\.0\/16"/,
  );
  // With the cluster's own file the same node is taken.
  await Deno.writeTextFile(path, text);
  await trio.init("n3").logged(`Observing leader: ${leader}`);
});

Deno.test("a node that was made for another cluster says that its peers refuse it", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path);
  trio.init("n1");
  trio.init("n2");
  await trio.settled(["n1", "n2"]);
  const path = `${dir.path}/cluster.kat`;
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replace("name: test", "name: other"));

  const stranger = trio.init("n3");
  const refused = await stranger.logged("The other members refuse this one");

  match(String(refused.fields.reason), /^n[12] \(http.*another cluster/);
  strictEqual((await stranger.stop()).code, 0);
});

Deno.test("a node that lost its data is told so, leaves nothing, and comes back with the commands that it is told", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path);
  for (const name of NAMES) trio.init(name);
  await trio.settled();
  await etcdctl(trio.endpoint("n1"), "put", "/app/a", "kept");
  await trio.agent("n2").stop();
  // With what was noted beside it of the node that was there.
  for (const path of [trio.dataDir("n2"), `${trio.dataDir("n2")}.state`]) {
    await Deno.remove(path, { recursive: true }).catch(() => {});
  }

  const { code, stderr } = await trio.init("n2").ended;

  strictEqual(code, 1, stderr);
  match(stderr, /this cluster has had member "n2" \([0-9a-f]+\) with data/);
  const left: string[] = [];
  for await (const { name } of Deno.readDir(trio.dataDir("n2"))) {
    left.push(name);
  }
  deepStrictEqual(left, ["agent.lock"]);
  const [, remove = ""] = /(member remove [0-9a-f]+);/.exec(stderr) ?? [];
  const [, add = ""] = /(member add n2 \S+);/.exec(stderr) ?? [];
  const others = `${trio.endpoint("n1")},${trio.endpoint("n3")}`;
  // etcd changes nothing while it has not been healthy for some seconds.
  const ctl = (words: string) =>
    eventually(() => etcdctl(others, ...words.split(" ")), {
      withinMs: 30_000,
    });
  await ctl(remove);
  await ctl(add);
  await trio.init("n2").logged("Observing leader");
  strictEqual(
    await etcdctl(trio.endpoint("n2"), "get", "/app/a", "--print-value-only"),
    "kept",
  );
  await trio.agent("n2").stop();
  await trio.init("n2").logged("Observing leader");
});

Deno.test("a lone node to which somebody added a member says so while it runs, when it starts, and in status", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const first = startAgent(initArgs(file, data));
  await first.logged("Became leader");
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  const url = `http://127.0.0.9:${file.peerPort}`;
  await etcdctl(endpoint, "member", "add", "n2", `--peer-urls=${url}`);

  const lost = await first.logged("The store cannot be reached");
  match(String(lost.fields.waitsFor), /127\.0\.0\.9:\d+, .* never started$/);
  const { stdout } = await runAgent(["status", `--data-dir=${data}`]);
  match(stdout, /^! Member at http:\/\/127\.0\.0\.9:\d+ was added to etcd/m);
  ok(!stdout.includes("start its agent"), stdout);
  await first.stop();
  await using second = startAgent(["run", `--data-dir=${data}`]);
  const { fields } = await second.logged("Waiting for");
  match(String(fields.waitsFor), /127\.0\.0\.9:\d+, .* does not run$/);
  strictEqual(fields.needed, "2 of 2");
});

Deno.test("nodes with different lists of members are told which of them differ", async () => {
  await using dir = await tempDir();
  await using trio = await prepare(dir.path);
  trio.init("n1");
  trio.init("n2", ["n1", "n2"]);

  const { fields } = await trio.agent("n1").logged(
    "The other members refuse this one",
  );

  match(String(fields.reason), /^n2 \(http.*another list of members/);
  match(String(fields.hint), /--initial-cluster/);
});
