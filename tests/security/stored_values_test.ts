/**
 * What stands in the store is data. It decides nothing about the machine,
 * and is checked as cluster.kat is, whoever wrote it.
 *
 * @module
 */

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { etcdArchive } from "../fakes/etcd_archive.ts";
import { startRawHttpServer } from "../fakes/raw_http_server.ts";
import {
  type AgentEnd,
  type AgentOptions,
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
import { etcdctl } from "../machine/etcdctl.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { evilEtcd } from "./fakes/evil_etcd.ts";

const CONFIG_KEY = "/kat/config/cluster_config";
const TIMING_KEY = "/kat/config/timing";

/** A spec as it is stored. */
type Stored = Readonly<Record<string, unknown>>;

/** A node that has run, and whose store was changed by somebody who reaches its port. */
interface Poisoned {
  /** Starts it again without any help of cluster.kat, until it leads or has ended, and stops it. */
  readonly run: (options?: AgentOptions) => Promise<AgentEnd>;
  /** What the node remembers. */
  readonly remembered: () => Promise<{ readonly spec: Stored }>;
  /** Its ports. */
  readonly file: ClusterFile;
}

/** Waits until an agent leads or has ended, and stops it. */
async function settle(agent: AgentProcess): Promise<AgentEnd> {
  // Ending is right, too, as long as it is not by what the store says.
  await agent.logged("Became leader").catch(() => {});
  return await agent.stop();
}

async function put(
  { clientPort }: ClusterFile,
  key: string,
  value: string,
): Promise<void> {
  await etcdctl(`http://127.0.0.1:${clientPort}`, "put", "--", key, value);
}

async function poisoned(
  dir: string,
  poison: (file: ClusterFile, spec: Stored) => Promise<void>,
): Promise<Poisoned> {
  const data = `${dir}/data`;
  const file = await writeClusterFile(dir);
  await Deno.writeTextFile(
    file.path,
    `  etcd:\n    binary: ${etcdBinaries.etcd}\n`,
    { append: true },
  );
  await using agent = startAgent(initArgs(file, data));
  await agent.logged("Became leader");
  await agent.logged("Updated the timing of the cluster");
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  const stored = await etcdctl(
    endpoint,
    "get",
    CONFIG_KEY,
    "--print-value-only",
  );
  await poison(file, JSON.parse(stored));
  strictEqual((await agent.stop()).code, 0);
  return {
    file,
    remembered: async () =>
      JSON.parse(await Deno.readTextFile(`${data}/node.json`)),
    async run(options = {}) {
      await using again = startAgent(["run", `--data-dir=${data}`], {
        ...options,
        env: { KAT_ETCD_BINARY: "", ...options.env },
      });
      return await settle(again);
    },
  };
}

Deno.test("a program that the store names as etcd.binary is never run", async () => {
  await using dir = await tempDir();
  const evil = await evilEtcd(dir.path);
  const node = await poisoned(dir.path, async (file, spec) => {
    const etcd = { ...spec.etcd as Stored, binary: evil.path };
    await put(file, CONFIG_KEY, JSON.stringify({ ...spec, etcd }));
  });

  for (let start = 0; start < 3; start++) await node.run();

  strictEqual(await evil.runs(), "");
  const { spec } = await node.remembered();
  strictEqual((spec.etcd as Stored).binary, etcdBinaries.etcd);
});

Deno.test("a mirror and a checksum that the store names are never used", async () => {
  await using dir = await tempDir();
  const evil = await evilEtcd(dir.path);
  const { bytes } = etcdArchive({ etcd: evil.script });
  await using mirror = startRawHttpServer((_, { send }) =>
    send("200 OK", { "content-length": bytes.length }, bytes)
  );
  const node = await poisoned(dir.path, async (file, spec) => {
    const etcd = {
      version: "3.6.14",
      mirror: mirror.url,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    };
    await put(file, CONFIG_KEY, JSON.stringify({ ...spec, etcd }));
  });

  for (let start = 0; start < 3; start++) {
    await node.run({
      env: {
        KAT_CACHE_DIR: `${dir.path}/cache`,
        // No other download succeeds; the one on PATH is then taken.
        HTTPS_PROXY: "http://127.0.0.1:9",
        PATH: dirname(etcdBinaries.etcd),
      },
    });
  }

  deepStrictEqual(mirror.requests, []);
  strictEqual(await evil.runs(), "");
});

Deno.test("ports and paths that the store names are not the node's", async () => {
  await using dir = await tempDir();
  const node = await poisoned(dir.path, async (file, spec) => {
    const changed = {
      etcdClientPort: 1,
      etcdPeerPort: 2,
      dataDir: `${dir.path}/elsewhere`,
      volumeBasePath: "../../etc",
      backupPath: "/etc/cron.d",
    };
    await put(file, CONFIG_KEY, JSON.stringify({ ...spec, ...changed }));
  });
  const before = (await node.remembered()).spec;

  for (let start = 0; start < 2; start++) await node.run();

  const { spec } = await node.remembered();
  for (
    const name of [
      "etcdClientPort",
      "etcdPeerPort",
      "dataDir",
      "volumeBasePath",
      "backupPath",
    ]
  ) strictEqual(spec[name], before[name], name);
});

for (
  const [what, timing] of [
    ["no member can start with", {
      heartbeatIntervalMs: 1,
      electionTimeoutMs: 900_000_000,
    }],
    ["names a terminal's commands", {
      heartbeatIntervalMs: 100,
      electionTimeoutMs: 1_000,
      slowestNode: "n1\u001b]0;x\u0007",
    }],
  ] as const
) {
  Deno.test(`a timing in the store that ${what} does not keep a node from starting`, async () => {
    await using dir = await tempDir();
    const node = await poisoned(
      dir.path,
      (file) => put(file, TIMING_KEY, JSON.stringify(timing)),
    );

    for (let start = 0; start < 2; start++) await node.run();
    await using agent = startAgent(["run", `--data-dir=${dir.path}/data`]);

    await agent.logged("Became leader");
    const kept = await Deno.readTextFile(`${dir.path}/data/node.json`);
    ok(!kept.includes("900000000") && !kept.includes("u001b"), kept);
  });
}

/** For each field a value of the right type that cluster.kat may not have. */
const WRONG: Stored = {
  clusterCIDR: "127.0.0.0/8",
  serviceCIDR: "10.200.0.0/16\n! all is well",
  nodeSubnetBits: 4_000,
  clusterDomain: "kat;rm -rf /",
  agentPort: 0,
  apiPort: 70_000,
  etcdPeerPort: -1,
  etcdClientPort: 1e15,
  volumeBasePath: "../../../etc",
  backupPath: "/srv/../etc",
  backupIntervalMinutes: 0,
  agentTickSeconds: -5,
  nodeLossTimeoutSeconds: 9e15,
  leaderLeaseSeconds: 1_000_000,
  dataDir: "data",
};
/** The same of `etcd`, as far as the store may have them at all. */
const WRONG_ETCD: Stored = {
  quotaBackendBytes: 1,
  heartbeatIntervalMs: 0,
  electionTimeoutMs: 1e12,
};

Deno.test("a stored setting that cluster.kat may not have is refused by what reads it", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 5);
  const good = JSON.parse(
    await etcd.ctl("get", CONFIG_KEY, "--print-value-only"),
  );
  const specs = [
    ...Object.entries(WRONG).map(([name, value]) =>
      [name, { ...good, [name]: value }] as const
    ),
    ...Object.entries(WRONG_ETCD).map(([name, value]) =>
      [name, { ...good, etcd: { ...good.etcd, [name]: value } }] as const
    ),
    // Two that are right each, and wrong together.
    ["serviceCIDR", { ...good, serviceCIDR: good.clusterCIDR }] as const,
  ];
  const taken: string[] = [];
  for (const [name, spec] of specs) {
    await etcd.ctl("put", "--", CONFIG_KEY, JSON.stringify(spec));
    const { code, stdout, stderr } = await runAgent([
      "status",
      `--endpoints=${etcd.endpoint}`,
    ]);
    const said = stdout + stderr;
    if (code !== 1 || !said.includes("stored configuration")) taken.push(name);
    else ok(said.includes(name), said);
  }

  deepStrictEqual(taken, []);
});

Deno.test("an agent on --endpoints does not take a lease from the store that cluster.kat may not have", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 5);
  const good = JSON.parse(
    await etcd.ctl("get", CONFIG_KEY, "--print-value-only"),
  );
  const wrong = { ...good, leaderLeaseSeconds: 900_000_000 };
  await etcd.ctl("put", "--", CONFIG_KEY, JSON.stringify(wrong));
  await using agent = startAgent([
    "run",
    `--endpoints=${etcd.endpoint}`,
    "--node-name=n1",
  ]);

  const { code, stderr } = await settle(agent);

  ok(code !== 70, stderr);
  deepStrictEqual(
    agent.lines.filter(({ message }) => message.startsWith("Became leader")),
    [],
  );
});

for (
  const damage of ["{", '{"etcd":{"binary":"/bin/sh"}}', "\u001b]0;x\u0007"]
) {
  Deno.test(
    `a stored configuration that is ${
      JSON.stringify(damage)
    } stops no node that knows its own, and init repairs it`,
    async () => {
      await using dir = await tempDir();
      let before = "";
      const node = await poisoned(dir.path, async (file, spec) => {
        before = JSON.stringify(spec);
        await put(file, CONFIG_KEY, damage);
      });
      {
        await using agent = startAgent(["run", `--data-dir=${dir.path}/data`]);
        await agent.logged("The stored configuration is damaged");
        await agent.logged("Became leader");
        strictEqual((await agent.stop()).code, 0);
      }
      await using agent = startAgent(initArgs(node.file, `${dir.path}/data`));
      await agent.logged("Became leader");
      const repaired = await etcdctl(
        `http://127.0.0.1:${node.file.clientPort}`,
        "get",
        CONFIG_KEY,
        "--print-value-only",
      );

      strictEqual(repaired.trim(), before);
    },
  );
}

Deno.test("what the store holds names no path or program of the node's own", async () => {
  await using dir = await tempDir();
  let stored: Stored = {};
  await poisoned(dir.path, (_, spec) => {
    stored = spec;
    return Promise.resolve();
  });

  ok(!("dataDir" in stored));
  deepStrictEqual(stored.etcd, {});
});
