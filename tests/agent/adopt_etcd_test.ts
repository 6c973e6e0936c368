import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import {
  type AgentOptions,
  type AgentProcess,
  startAgent,
} from "../machine/agent_process.ts";
import {
  type ClusterFile,
  initArgs,
  writeClusterFile,
} from "../machine/cluster_file.ts";
import { eventually } from "../machine/eventually.ts";
import { processesNaming } from "../machine/processes.ts";
import { tempDir } from "../machine/temp_dir.ts";

const ADOPTED = "Adopted the etcd that an earlier agent left running";
const ENDING = "Ending the etcd that an earlier agent left behind";

/** A node whose agent was killed and whose etcd runs on. */
interface LeftNode extends AsyncDisposable {
  /** Holds all of it. */
  readonly dir: string;
  /** Its cluster.kat. */
  readonly file: ClusterFile;
  /** Its data directory. */
  readonly data: string;
  /** Its client URL. */
  readonly endpoint: string;
  /** The etcd that was left. */
  readonly etcdPid: number;
}

async function leftNode(): Promise<LeftNode> {
  const dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const agent = startAgent(initArgs(file, data));
  const started = await agent.logged("etcd started");
  await agent.logged("Became leader: n1");
  agent.kill("SIGKILL");
  await agent.ended;
  return {
    dir: dir.path,
    file,
    data,
    endpoint: `http://127.0.0.1:${file.clientPort}`,
    etcdPid: Number(started.fields.pid),
    async [Symbol.asyncDispose]() {
      for (const pid of await processesNaming(data)) {
        Deno.kill(pid, "SIGKILL");
      }
      await eventually(async () =>
        deepStrictEqual(await processesNaming(data), [])
      );
      await dir[Symbol.asyncDispose]();
    },
  };
}

function runAgain({ data }: LeftNode, options?: AgentOptions): AgentProcess {
  return startAgent(["run", `--data-dir=${data}`], options);
}

function isLogged({ lines }: AgentProcess, message: string): boolean {
  return lines.some((line) => line.message === message);
}

/** Writes to a store without a pause until disposed: how often, and what failed. */
function busyClient(endpoint: string) {
  const store = new EtcdStore({ endpoints: [endpoint] });
  const ending = new AbortController();
  const result = { writes: 0, failures: [] as unknown[] };
  const writing = (async () => {
    while (!ending.signal.aborted) {
      await store.put("/kat/workloads/busy", new Uint8Array([1]))
        .then(() => result.writes++, (error) => result.failures.push(error));
    }
  })();
  return {
    result,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await writing;
      await store[Symbol.asyncDispose]();
    },
  };
}

Deno.test("run after the agent was killed adopts its etcd without a gap, leads, and stops it in order", async () => {
  await using node = await leftNode();
  let result;
  {
    await using client = busyClient(node.endpoint);
    ({ result } = client);
    await using agent = runAgain(node);
    const adopted = await agent.logged(ADOPTED);
    strictEqual(adopted.fields.pid, node.etcdPid);
    await agent.logged("Became leader: n1");
    const { writes } = result;
    await eventually(() => ok(result.writes > writes + 10));
    deepStrictEqual(result.failures, []);
    strictEqual(isLogged(agent, "etcd started"), false);
    strictEqual(isLogged(agent, ENDING), false);
    deepStrictEqual(
      (await processesNaming(`${node.data}/etcd`)).filter((pid) =>
        pid !== agent.pid
      ),
      [node.etcdPid],
    );
    // The test stops it below; that is no gap in the service.
    await client[Symbol.asyncDispose]();

    const { code, stderr } = await agent.stop();

    strictEqual(code, 0, stderr);
    deepStrictEqual(
      agent.lines.map(({ message }) => message).slice(-3),
      ["Resigned leadership", "Stopping etcd", "etcd stopped"],
    );
  }
  deepStrictEqual(await processesNaming(node.data), []);
  match(
    await Deno.readTextFile(`${node.data}/etcd.log`),
    /received signal; shutting down.*terminated/,
  );
  strictEqual(
    await Deno.stat(`${node.data}/etcd.pid`).catch(({ name }) => name),
    "NotFound",
  );
});

Deno.test("an adopted etcd that is killed is started again, and the node leads", async () => {
  await using node = await leftNode();
  await using agent = runAgain(node);
  await agent.logged(ADOPTED);
  await agent.logged("Became leader: n1");
  const mark = agent.lines.length;

  Deno.kill(node.etcdPid, "SIGKILL");

  await agent.logged("etcd ended by itself", mark);
  const again = await agent.logged("etcd is started again", mark);
  strictEqual(
    again.fields.reason,
    "it ended; its exit code is unknown, because an earlier agent started it",
  );
  const started = await agent.logged("etcd started", mark);
  await agent.logged("etcd serves", mark);
  const { code, stderr } = await agent.stop();
  strictEqual(code, 0, stderr);
  ok(started.fields.pid !== node.etcdPid);
  deepStrictEqual(await processesNaming(node.data), []);
});

Deno.test("init with other settings ends the etcd that was left in order, and says which differ", async () => {
  await using node = await leftNode();
  const text = await Deno.readTextFile(node.file.path);
  await Deno.writeTextFile(
    node.file.path,
    `${text}  etcd:\n    quotaBackendBytes: 1073741824\n`,
  );
  await using agent = startAgent(initArgs(node.file, node.data));

  const ending = await agent.logged(ENDING);
  await agent.logged("Became leader: n1");

  strictEqual(ending.fields.pid, node.etcdPid);
  strictEqual(ending.fields.reason, "it runs with other --quota-backend-bytes");
  strictEqual(isLogged(agent, ADOPTED), false);
  match(
    await Deno.readTextFile(`${node.data}/etcd.log`),
    /received signal; shutting down.*terminated/,
  );
});

Deno.test("a second SIGINT ends an adopted etcd at once with the agent", async () => {
  await using node = await leftNode();
  await using agent = runAgain(node);
  await agent.logged(ADOPTED);
  await agent.logged("Became leader: n1");
  // A frozen etcd keeps an orderly stop waiting for its grace time.
  Deno.kill(node.etcdPid, "SIGSTOP");
  agent.kill("SIGINT");
  await agent.logged("Stopping etcd");
  agent.kill("SIGINT");

  const { code } = await agent.ended;

  strictEqual(code, 130);
  await eventually(async () =>
    deepStrictEqual(await processesNaming(node.data), [])
  );
});

Deno.test("a start that fails ends the etcd that was left", async () => {
  await using node = await leftNode();
  const agent = runAgain(node, {
    env: { KAT_ETCD_BINARY: `${node.dir}/none` },
  });

  const { code, stderr } = await agent.ended;

  strictEqual(code, 1, stderr);
  deepStrictEqual(await processesNaming(node.data), []);
});

Deno.test("run signals no other program that the pid file names", async () => {
  await using node = await leftNode();
  Deno.kill(node.etcdPid, "SIGKILL");
  await eventually(async () =>
    deepStrictEqual(await processesNaming(node.data), [])
  );
  const pidFile = `${node.data}/etcd.pid`;
  const written = JSON.parse(await Deno.readTextFile(pidFile));
  const other = new Deno.Command("sleep", { args: ["600"] }).spawn();
  try {
    await Deno.writeTextFile(
      pidFile,
      JSON.stringify({ ...written, pid: other.pid }),
    );
    await using agent = runAgain(node);
    await agent.logged("Became leader: n1");
    strictEqual(isLogged(agent, ADOPTED), false);
    strictEqual(isLogged(agent, ENDING), false);
    strictEqual((await agent.stop()).code, 0);
    const ended = await Promise.race([other.status, Promise.resolve("runs")]);
    strictEqual(ended, "runs");
  } finally {
    other.kill("SIGKILL");
    await other.status;
  }
});
