import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type AgentEnd, startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { eventually } from "../machine/eventually.ts";
import { processesNaming } from "../machine/processes.ts";
import { Random } from "../simulation/random.ts";
import { sleep } from "../machine/sleep.ts";
import { tempDir } from "../machine/temp_dir.ts";

const ROUNDS = 24;
const LONGEST_MS = 2_000;

Deno.test("SIGTERM at any moment of the start leaves no etcd behind and a usable directory", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const args = initArgs(file, data);
  const seed = Number(Deno.env.get("KAT_TEST_SEED") ?? Date.now() % 1e9);
  const random = new Random(seed);
  const ends: AgentEnd[] = [];

  for (let round = 0; round < ROUNDS; round++) {
    const agent = startAgent(args);
    // The moment is the fault that this test is about, not a wait for anything.
    const delayMs = LONGEST_MS * random.next() ** 2;
    await sleep(delayMs);
    const end = await agent.stop();
    ends.push(end);
    const when = `seed ${seed}, round ${round}, ${Math.round(delayMs)} ms`;
    // Before its first line has run, the program cannot handle a signal; it has
    // then done nothing either.
    const early = end.signal === "SIGTERM" && end.stderr.indexOf("{") === -1;
    ok(end.code === 0 || early, `${when}: ${end.code}\n${end.stderr}`);
    deepStrictEqual(await processesNaming(data), [], when);
  }

  ok(ends.some(({ code }) => code === 0), "no round was stopped in order");
  await using agent = startAgent(args);
  await agent.logged("Became leader: n1");
});

Deno.test("SIGKILL at any moment of the start leaves a directory that init completes", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const args = initArgs(file, data);
  // Each round ends right after another name has appeared.
  for (const name of ["agent.lock", "node.json", "etcd", "etcd.pid"]) {
    // With what is noted of it elsewhere: a node that vanished is not begun anew.
    for (const path of [data, `${data}.state`]) {
      await Deno.remove(path, { recursive: true }).catch(() => {});
    }
    const agent = startAgent(args);
    await eventually(() => Deno.lstat(`${data}/${name}`), { everyMs: 1 });
    agent.kill("SIGKILL");
    await agent.ended;

    const again = startAgent(args);
    await again.logged("Became leader: n1");
    strictEqual((await again.stop()).code, 0, name);
  }
});

Deno.test("a second SIGINT ends the agent at once, and its etcd with it", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  await using agent = startAgent(initArgs(file, data));
  const started = await agent.logged("etcd started");
  await agent.logged("Became leader: n1");
  // A frozen etcd keeps an orderly stop waiting for its grace time.
  Deno.kill(Number(started.fields.pid), "SIGSTOP");
  agent.kill("SIGINT");
  await agent.logged("Stopping etcd");
  agent.kill("SIGINT");

  const { code } = await agent.ended;

  strictEqual(code, 130);
  await eventually(async () =>
    deepStrictEqual(await processesNaming(data), [])
  );
});

Deno.test("SIGINTs that come together are one", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  await using agent = startAgent(initArgs(file, `${dir.path}/data`));
  await agent.logged("Became leader: n1");
  agent.kill("SIGINT");
  agent.kill("SIGINT");

  const { code } = await agent.ended;

  strictEqual(code, 0);
  await agent.logged("Resigned leadership");
});

Deno.test("SIGINT lets the agent resign before its etcd stops", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  await using agent = startAgent(initArgs(file, `${dir.path}/data`));
  await agent.logged("Became leader: n1");
  agent.kill("SIGINT");

  const { code } = await agent.ended;

  strictEqual(code, 0);
  const messages = agent.lines.map(({ message }) => message);
  deepStrictEqual(messages.slice(-4), [
    "Resigned leadership",
    "Stopping etcd",
    "etcd stopped",
    "kat-agent stopped",
  ]);
});
