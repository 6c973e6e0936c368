/**
 * An agent that meets another etcd than its own, or another's cluster, takes
 * no term there, writes nothing there, and its fence never goes back.
 *
 * @module
 */

import { deepStrictEqual, match, ok } from "node:assert/strict";
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
import { makeCluster } from "../machine/cluster_on_etcd.ts";
import { eventually } from "../machine/eventually.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { startTestEtcd, type TestEtcd } from "../machine/test_etcd.ts";
import { ctlJson } from "./fakes/ctl_json.ts";
import { startHoldingThief } from "./fakes/holding_thief.ts";
import { type HostileEtcd, startHostileEtcd } from "./fakes/hostile_etcd.ts";
import {
  type ProxyTarget,
  startSwitchingProxy,
  type SwitchingProxy,
} from "./fakes/switching_proxy.ts";
import type { Message } from "./fakes/etcd_messages.ts";

/** A loaded machine may need long for what takes seconds elsewhere. */
const PATIENT = { withinMs: 60_000, everyMs: 50 };
/** So often etcd is tried before the agent counts as having seen enough. */
const TRIES = 5;
/** How long a wrong store is offered: with leases of 2 s, several terms. */
const OFFER_MS = 8_000;

/** The fences of all terms so far, as they were logged. */
function fencesOf({ lines }: AgentProcess): bigint[] {
  return lines.filter(({ message }) => message.startsWith("Became leader"))
    .map(({ fields }) => BigInt(String(fields.fence)));
}

function assertRising(fences: readonly bigint[]): void {
  for (const [index, fence] of fences.entries()) {
    const before = fences[index - 1] ?? 0n;
    ok(fence > before, `the fence went back: ${fences.join(", ")}`);
  }
}

async function keysOf(etcd: TestEtcd): Promise<string[]> {
  const text = await etcd.ctl("get", "--prefix", "", "--keys-only");
  return text.split("\n").filter((line) => line !== "");
}

/** How often etcd was started, or could not be. */
function triesOf({ lines }: AgentProcess): number {
  return lines.filter(({ message }) =>
    /^etcd (started|cannot be started|keeps ending)/.test(message)
  ).length;
}

/** Resolves when the agent writes to a store that is not its own, when it ends, or after a while. */
async function offered(
  agent: AgentProcess,
  keysNow: () => Promise<readonly string[]>,
): Promise<void> {
  const before = (await keysNow()).length;
  const endMs = performance.now() + OFFER_MS;
  let ended = false;
  void agent.ended.then(() => ended = true);
  await eventually(async () => {
    if (ended || performance.now() > endMs) return;
    ok((await keysNow()).length > before, "nothing happened yet");
  }, PATIENT);
}

interface Theft {
  readonly agent: AgentProcess;
  readonly file: ClusterFile;
  readonly foreign: TestEtcd;
}

/**
 * Kills the etcd of a node that leads, and gives its port to another server
 * until the agent has tried to start etcd a few times, or has fallen for it.
 */
async function stealPort(
  { agent, file, foreign }: Theft,
  target: ProxyTarget,
): Promise<void> {
  const started = await agent.logged("etcd started");
  Deno.kill(Number(started.fields.pid), "SIGKILL");
  await using thief = await startSwitchingProxy({
    ...target,
    listenOn: file.clientPort,
  });
  await eventually(async () => {
    const keys = await keysOf(foreign);
    ok(triesOf(agent) >= TRIES || keys.length > 0, "nothing happened yet");
  }, PATIENT);
  // What was under way when etcd ended may have been asked there; nothing more is.
  ok(thief.connections <= 1, `${thief.connections} connections to another`);
}

/** What must hold whatever the foreign server says: see the module. */
async function assertUnfooled(
  theft: Theft,
  target: ProxyTarget,
): Promise<void> {
  const { agent, foreign } = theft;
  const linesBefore = agent.lines.length;
  await stealPort(theft, target);
  const during = agent.lines.slice(linesBefore).map(({ message }) => message);
  const after = agent.lines.length;

  deepStrictEqual(await keysOf(foreign), [], "the agent wrote to another etcd");
  deepStrictEqual(
    during.filter((message) =>
      message.startsWith("Became leader") || message === "etcd serves"
    ),
    [],
    "the agent took another etcd for its own",
  );
  await agent.logged("Became leader", after);
  assertRising(fencesOf(agent));
}

/** Changes the header of every answer. */
async function startForger(
  foreign: TestEtcd,
  ids: Message,
): Promise<HostileEtcd> {
  const forge = (message: Message): Message => ({
    ...message,
    header: { ...message.header as Message, ...ids },
  });
  return await startHostileEtcd({
    behind: foreign.endpoint,
    async lie({ name, real }) {
      if (name === "Watch/Watch" || name === "Lease/LeaseKeepAlive") {
        return undefined;
      }
      return { messages: [forge(await real())] };
    },
    twist: (_, message) => [forge(message)],
  });
}

async function headerOf({ clientPort }: ClusterFile): Promise<Message> {
  const [{ Status }] = await ctlJson(
    `http://127.0.0.1:${clientPort}`,
    "endpoint",
    "status",
  ) as [{ Status: { header: Message } }];
  return Status.header;
}

Deno.test("an agent does not lead on an etcd that takes its own etcd's port", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  await using foreign = await startTestEtcd();
  await using agent = startAgent(initArgs(file, `${dir.path}/data`));
  await agent.logged("Became leader: n1");

  await assertUnfooled({ agent, file, foreign }, { port: foreign.port });
});

for (
  const [what, forged] of [
    ["its cluster", ["cluster_id"]],
    ["its cluster and its member", ["cluster_id", "member_id"]],
  ] as const
) {
  Deno.test(`an agent does not lead on an etcd at its own etcd's port that says it is of ${what}`, async () => {
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    await using foreign = await startTestEtcd();
    await using agent = startAgent(initArgs(file, `${dir.path}/data`));
    await agent.logged("Became leader: n1");
    const header = await headerOf(file);
    await using forger = await startForger(
      foreign,
      Object.fromEntries(forged.map((name) => [name, header[name]])),
    );

    await assertUnfooled({ agent, file, foreign }, {
      port: Number(new URL(forger.endpoint).port),
      plainPort: foreign.port,
    });
  });
}

Deno.test("an agent does not lead on a server that it connected to before its own etcd had the port", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  await using foreign = await startTestEtcd();
  await using agent = startAgent(initArgs(file, `${dir.path}/data`));
  const started = await agent.logged("etcd started");
  await agent.logged("Became leader: n1");
  const { cluster_id, member_id } = await headerOf(file);
  await using forger = await startForger(foreign, { cluster_id, member_id });

  const thieving = startHoldingThief(file.clientPort);
  Deno.kill(Number(started.fields.pid), "SIGKILL");
  await using thief = await thieving;
  await eventually(
    () => ok(thief.held > 0 || triesOf(agent) >= TRIES, "nothing happened yet"),
    PATIENT,
  );
  const before = agent.lines.length;
  await thief.giveBack();
  await agent.logged("etcd serves", before);
  // Only now the server at the other end of those connections speaks.
  thief.speakAs(Number(new URL(forger.endpoint).port));
  await agent.logged("Became leader", before);

  deepStrictEqual(await keysOf(foreign), [], "the agent wrote to another etcd");
  assertRising(fencesOf(agent));
});

Deno.test("commands on a node take nothing of an etcd that has its etcd's port", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const dataDir = `${dir.path}/data`;
  const identity = `${dataDir}/identity.json`;
  {
    await using agent = startAgent(initArgs(file, dataDir));
    await agent.logged("Became leader: n1");
    await agent.stop();
  }
  const { clusterId } = JSON.parse(await Deno.readTextFile(identity));
  await using foreign = await startClusterOnEtcd();
  const before = await keysOf(foreign);
  await using _thief = await startSwitchingProxy({
    port: foreign.port,
    listenOn: file.clientPort,
  });

  for (
    const args of [
      ["status"],
      ["store", "get", "/kat/config/cluster_uid"],
      ["store", "list", "/"],
      ["store", "watch", "/"],
      ["etcd", "compact"],
      ["etcd", "disarm"],
      ["etcd", "defrag"],
    ]
  ) {
    const command = [...args, `--data-dir=${dataDir}`];
    const { code, stdout, stderr } = await runAgent(command);
    const said = stdout + stderr;
    deepStrictEqual(code, 1, `${args.join(" ")}: ${said}`);
    match(said, new RegExp(`not of cluster ${clusterId}`), args.join(" "));
  }
  deepStrictEqual(await keysOf(foreign), before);
});

/** An etcd that holds a cluster of KAT with a short lease. */
async function startClusterOnEtcd(): Promise<TestEtcd> {
  const etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 2);
  return etcd;
}

/** Lets an agent that leads by a proxy meet the other etcd there, and come back. */
async function meetOther(
  agent: AgentProcess,
  { proxy, own, other }: {
    readonly proxy: SwitchingProxy;
    readonly own: TestEtcd;
    readonly other: TestEtcd;
  },
): Promise<void> {
  const leading = agent.lines.length;
  proxy.leadTo({ port: other.port });
  await offered(agent, () => keysOf(other));
  deepStrictEqual(
    agent.lines.slice(leading)
      .filter(({ message }) => message.startsWith("Became leader")),
    [],
    "the agent leads in another cluster",
  );
  const back = agent.lines.length;
  proxy.leadTo({ port: own.port });
  // To end, saying why, is right as well: what was reached is not its cluster.
  await Promise.race([
    agent.logged("Became leader", back).catch(() => {}),
    agent.ended,
  ]);
  assertRising(fencesOf(agent));
}

for (const kind of ["empty", "of another cluster of KAT"] as const) {
  Deno.test(`an agent on --endpoints takes no term on an etcd behind the same address that is ${kind}`, async () => {
    await using own = await startClusterOnEtcd();
    await using other = kind === "empty"
      ? await startTestEtcd()
      : await startClusterOnEtcd();
    const before = await keysOf(other);
    // So that a fence of the other would be smaller.
    for (let n = 0; n < 5; n++) await own.ctl("put", "/x", `${n}`);
    await using proxy = await startSwitchingProxy({ port: own.port });
    await using agent = startAgent([
      "run",
      `--endpoints=${proxy.endpoint}`,
      "--node-name=n1",
    ]);
    await agent.logged("Became leader: n1");

    await meetOther(agent, { proxy, own, other });

    deepStrictEqual(await keysOf(other), before);
  });
}

Deno.test("an agent that is given members of two clusters leads in the first only", async () => {
  await using own = await startClusterOnEtcd();
  await using other = await startClusterOnEtcd();
  const before = await keysOf(other);
  await using proxy = await startSwitchingProxy({ port: own.port });
  await using agent = startAgent([
    "run",
    `--endpoints=${proxy.endpoint},${other.endpoint}`,
    "--node-name=n1",
  ]);
  await agent.logged("Became leader: n1");
  const leading = agent.lines.length;

  // Nobody answers at the first any more.
  await proxy[Symbol.asyncDispose]();
  await offered(agent, () => keysOf(other));
  await agent.stop();

  deepStrictEqual(
    agent.lines.slice(leading)
      .filter(({ message }) => message.startsWith("Became leader")),
    [],
  );
  deepStrictEqual(await keysOf(other), before);
});
