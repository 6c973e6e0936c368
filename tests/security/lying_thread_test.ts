/**
 * A thread that was taken over and lies to the main thread costs
 * itself, not the node: what it says is checked by who hears it.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import {
  type AgentEnd,
  type AgentProcess,
  startAgent,
} from "../machine/agent_process.ts";
import {
  type ClusterFile,
  initArgs,
  writeClusterFile,
} from "../machine/cluster_file.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { eventually } from "../machine/eventually.ts";
import { processesNaming } from "../machine/processes.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { evilEtcd } from "./fakes/evil_etcd.ts";
import { lyingAgent, type ThreadName } from "./fakes/lying_thread.ts";

/** A node's directory, and what was written of it. */
interface Node {
  readonly data: string;
  readonly file: ClusterFile;
}

async function newNode(dir: string): Promise<Node> {
  const file = await writeClusterFile(dir, { spec: { leaderLeaseSeconds: 2 } });
  await Deno.writeTextFile(
    file.path,
    `  etcd:\n    binary: ${etcdBinaries.etcd}\n`,
    { append: true },
  );
  return { data: `${dir}/data`, file };
}

/** Starts a node with a thread that lies, until it leads or has ended, and stops it. */
async function serveWithLiar(
  { data, file }: Node,
  { thread, program, again = false }: {
    readonly thread: ThreadName;
    readonly program: string;
    readonly again?: boolean;
  },
): Promise<AgentEnd> {
  await using liar = await lyingAgent(thread, program);
  const args = again ? ["run", `--data-dir=${data}`] : initArgs(file, data);
  await using agent = startAgent(args, { prefix: liar.prefix });
  await agent.logged("Became leader").catch(() => {});
  if (!again) await agent.logged("Updated the timing").catch(() => {});
  return await agent.stop();
}

/** Runs the node as it should be, until it leads. */
async function serveHonestly({ data }: Node): Promise<void> {
  await using agent = startAgent(["run", `--data-dir=${data}`], {
    env: { KAT_ETCD_BINARY: "" },
  });
  await agent.logged("Became leader");
  strictEqual((await agent.stop()).code, 0);
}

async function remembered({ data }: Node): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(`${data}/node.json`));
}

Deno.test("a thread that tells of a cluster with another program does not have it run", async () => {
  await using dir = await tempDir();
  const evil = await evilEtcd(dir.path);
  const node = await newNode(dir.path);

  await serveWithLiar(node, {
    thread: "store",
    program: `lie((o) => "clusterCIDR" in o
      ? { ...o, etcd: { ...o.etcd, binary: ${JSON.stringify(evil.path)} } }
      : o);`,
  });
  for (let start = 0; start < 2; start++) await serveHonestly(node);

  strictEqual(await evil.runs(), "");
});

Deno.test("a thread that tells of another cluster does not change what the node belongs to", async () => {
  await using dir = await tempDir();
  const node = await newNode(dir.path);
  await serveWithLiar(node, { thread: "store", program: "" });
  const { clusterUid } = await remembered(node);

  await serveWithLiar(node, {
    thread: "store",
    again: true,
    program: `lie((o) => "uid" in o && "spec" in o
      ? { ...o, uid: "00000000-0000-4000-8000-000000000000" }
      : o);`,
  });

  strictEqual((await remembered(node)).clusterUid, clusterUid);
  await serveHonestly(node);
});

for (
  const [what, program] of [
    [
      "a timing that no etcd takes",
      `lie((o) => "electionTimeoutMs" in o && !("clusterCIDR" in o)
        ? { ...o, heartbeatIntervalMs: 1, electionTimeoutMs: 9e9 } : o);`,
    ],
    [
      "a node's name with a terminal's commands",
      `lie((o) => "slowestNode" in o
        ? { ...o, slowestNode: "\\u001b]0;x\\u0007" } : o);`,
    ],
    [
      "a cluster with a peer port of 0",
      `lie((o) => "etcdPeerPort" in o ? { ...o, etcdPeerPort: 0 } : o);`,
    ],
    [
      "a key of 50 MB",
      `lie((o) => o.method === "keepElectionKey"
        ? { ...o, input: "/".repeat(5e7) } : o);`,
    ],
    [
      "a UID of 50 MB",
      `lie((o) => "uid" in o && "spec" in o ? { ...o, uid: "0".repeat(5e7) } : o);`,
    ],
    [
      "an identity of another node",
      `lie((o) => "raftIndex" in o ? { ...o, nodeName: "n9", clusterUid: "x" } : o);`,
    ],
  ] as const
) {
  Deno.test(`a thread that tells of ${what} does not keep the node from starting again`, async () => {
    await using dir = await tempDir();
    const node = await newNode(dir.path);

    await serveWithLiar(node, { thread: "store", program });

    for (const name of ["node.json", "identity.json"]) {
      const path = `${node.data}/${name}`;
      const { size } = await Deno.stat(path).catch(() => ({ size: 0 }));
      ok(size < 1_000_000, `${name} has ${size} bytes`);
      const text = await Deno.readTextFile(path).catch(() => "");
      ok(!text.includes('"n9"') && !text.includes("u001b"), text);
    }
    const peerPort = async () =>
      (await remembered(node) as { spec: Record<string, unknown> })
        .spec.etcdPeerPort;
    strictEqual(await peerPort(), node.file.peerPort);
    await serveHonestly(node);
    strictEqual(await peerPort(), node.file.peerPort);
  });
}

/** How long a node is watched after a lie that it may ignore. */
const WATCHED_MS = 8_000;

/** What became of an agent with a liar, which is stopped if it still runs. */
interface Outcome {
  /** How it ended, and whether by itself. */
  readonly end: AgentEnd & { readonly byItself: boolean };
  /** Whether the election held a key of it while it ran. */
  readonly led: boolean;
  /** Processes of its etcd afterwards. */
  readonly left: readonly number[];
}

async function sufferLiar(
  thread: ThreadName,
  program: string,
): Promise<Outcome> {
  await using dir = await tempDir();
  await using liar = await lyingAgent(thread, program);
  const node = await newNode(dir.path);
  const { clientPort } = node.file;
  await using agent = startAgent(initArgs(node.file, node.data), {
    prefix: liar.prefix,
  });
  const ended = await endedByItself(agent);
  const led = ended ? false : await etcdctl(
    `http://127.0.0.1:${clientPort}`,
    "get",
    "--prefix",
    "/kat/leader_election/",
  ).then((keys) => keys !== "", () => false);
  await using _killer = killLate(agent);
  const end = await agent.stop();
  const left = await processesNaming(`${node.data}/etcd`);
  for (const pid of left) Deno.kill(pid, "SIGKILL");
  return { end: { ...end, byItself: ended }, led, left };
}

async function endedByItself(agent: AgentProcess): Promise<boolean> {
  const endMs = performance.now() + WATCHED_MS;
  let ended = false;
  void agent.ended.then(() => ended = true);
  await eventually(
    () => ok(ended || performance.now() > endMs),
    { withinMs: 2 * WATCHED_MS, everyMs: 50 },
  );
  return ended;
}

/** Ends an agent that does not stop within half a minute. */
function killLate(agent: AgentProcess): AsyncDisposable {
  const timer = setTimeout(() => agent.kill("SIGKILL"), 30_000);
  return {
    [Symbol.asyncDispose]() {
      clearTimeout(timer);
      return Promise.resolve();
    },
  };
}

/** The node goes on with what the thread is for, or ends in order, and never as a bug of its own. */
function assertBearable({ end, led, left }: Outcome): void {
  ok(end.byItself || led, "the agent goes on, and its thread does not");
  strictEqual(end.signal, null, "the agent was killed, or had to be");
  ok(end.code !== 70, end.stderr);
  ok(!end.byItself || end.code !== 0, "it ended as if it had been asked to");
  deepStrictEqual(left, [], "its etcd was left");
}

/** What a thread may say although no honest one does. */
const NONSENSE = [
  "null",
  "7",
  "{}",
  '{ type: "open the door" }',
  '{ type: "log", record: null }',
  '{ type: "log", record: { level: "info" } }',
  `{ type: "log", record: { level: "shout", category: ["kat", "store"],
    message: ["x"], rawMessage: "x", properties: {}, timestamp: 1 } }`,
  `{ type: "log", record: { level: "info", category: ["kat", "store"],
    message: ["x"], rawMessage: "x", properties: {}, timestamp: 9e99 } }`,
  `(() => { const loop = {}; loop.self = loop; return { type: "log",
    record: { level: "info", category: ["kat", "store"], message: ["x"],
    rawMessage: "x", properties: { loop }, timestamp: 1 } }; })()`,
  `(() => { let deep = {}; for (let n = 0; n < 1e4; n++) deep = { deep };
    return { type: "log", record: { level: "info", category: ["kat", "store"],
    message: ["x"], rawMessage: "x", properties: { deep }, timestamp: 1 } }; })()`,
  '{ type: "request" }',
  '{ type: "request", id: 1e6, within: 1, method: {}, input: null }',
  ...["keepCluster", "keepIdentity", "report", "reportEtcd", "signalOrphan"]
    .flatMap((method) =>
      ["null", "{}", "{ cluster: 7 }"].map((input) =>
        `{ type: "request", id: 1e6, within: 1, method: "${method}", input: ${input} }`
      )
    ),
  '{ type: "request", id: 1e6, within: 1, method: "__proto__", input: null }',
  '{ type: "abort", id: 1, reason: null }',
  '{ type: "error", id: 1e9, error: null }',
  '{ type: "error", id: 1, isAborted: true, error: 7 }',
  '{ type: "result", id: {}, result: null }',
  '{ type: "ping", id: "1" }',
  '{ type: "bug", error: null }',
] as const;

for (const thread of ["store", "member"] as const) {
  Deno.test(`a ${thread} thread that says nonsense does not end the agent as a bug, and leaves no etcd`, async () => {
    const field = thread === "store" ? "fence" : "pid";
    const says = NONSENSE.map((message) => `say(${message});`).join("\n");
    assertBearable(
      await sufferLiar(thread, `after("${field}", () => { ${says} });`),
    );
  });
}

Deno.test("an error of a thread with an exit code that is none, or with a broken text, does not end the agent as a bug", async () => {
  for (const fields of ['{ exitCode: "x" }', "{ toString: 7, hint: {} }"]) {
    const error = `{ className: "KatError", message: "x", fields: ${fields} }`;
    assertBearable(
      await sufferLiar(
        "store",
        `after("fence", () => { for (let id = 1; id < 100; id++)
          say({ type: "error", id, error: ${error}, isAborted: false }); });`,
      ),
    );
  }
});

Deno.test("a thread that says that the agent was told to stop does not end it as if it had been", async () => {
  const error = `{ className: "ShutdownRequested", message: "x",
    fields: { signalName: "SIGTERM" } }`;
  const { end, left } = await sufferLiar(
    "store",
    `after("fence", () => { for (let id = 1; id < 100; id++)
      say({ type: "error", id, error: ${error}, isAborted: false }); });`,
  );
  strictEqual(end.code, 1, end.stderr);
  deepStrictEqual(left, []);
});

Deno.test("every line of a thread may have a wrong level without ending the agent as a bug", async () => {
  assertBearable(
    await sufferLiar(
      "store",
      `lie((o) => "level" in o && "category" in o
        ? { ...o, level: "shout" } : o);`,
    ),
  );
});

for (
  const [what, program] of [
    ["exits", `after("fence", () => Deno.exit(9));`],
    ["closes itself", `after("fence", () => self.close());`],
    [
      "kills the process",
      `import process from "node:process";
       after("fence", () => {
         try { process.kill(process.pid, "SIGKILL"); } catch { self.close(); }
       });`,
    ],
    [
      "answers what nobody asked",
      `after("fence", () => { for (let id = 1; id < 1e5; id++)
        say({ type: "result", id, result: undefined }); });`,
    ],
  ] as const
) {
  Deno.test(`a store thread that ${what} does not leave a node without it, nor its etcd`, async () => {
    assertBearable(await sufferLiar("store", program));
  });
}

Deno.test("a member thread that exits does not leave a node that cannot be stopped, nor its etcd", async () => {
  assertBearable(
    await sufferLiar("member", `after("pid", () => Deno.exit(9));`),
  );
});

Deno.test("a member thread does not have the main thread signal a process that is not its etcd", async () => {
  await using dir = await tempDir();
  const node = await newNode(dir.path);
  await using victim = bystander();

  const end = await serveWithLiar(node, {
    thread: "member",
    program: `lie((o) => "pid" in o ? { ...o, pid: ${victim.pid} } : o);
      after("pid", () => {
        for (const adopted of ["SIGTERM", "SIGKILL"])
          for (let within = 1; within < 20; within++)
            say({ type: "request", id: 1000 + within, within,
              method: "signalOrphan", input: adopted });
      });`,
  });

  ok(await victim.lives(), "another process was signalled");
  match(String(end.code), /^(0|1)$/);
});

/** A process that does nothing; disposing ends it. */
function bystander(): AsyncDisposable & {
  readonly pid: number;
  readonly lives: () => Promise<boolean>;
} {
  const child = new Deno.Command("/bin/sleep", { args: ["600"] }).spawn();
  let ended = false;
  const over = child.status.then(() => ended = true);
  return {
    pid: child.pid,
    lives: async () => {
      await new Promise((resolve) => setTimeout(resolve, 0));
      return !ended;
    },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill("SIGKILL");
      await over;
    },
  };
}
