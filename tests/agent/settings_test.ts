import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { type AgentProcess, startAgent } from "../machine/agent_process.ts";
import {
  type ClusterFile,
  initArgs,
  writeClusterFile,
} from "../machine/cluster_file.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { tempDir } from "../machine/temp_dir.ts";

const NAME_KEY = "/kat/config/cluster_name";
const CONFIG_KEY = "/kat/config/cluster_config";
const CHANGED = "Changed a setting of the cluster";
const KEPT = "cluster.kat and the cluster differ";

function endpointOf({ clientPort }: ClusterFile): string {
  return `http://127.0.0.1:${clientPort}`;
}

async function get(file: ClusterFile, key: string): Promise<string> {
  return await etcdctl(endpointOf(file), "get", "--print-value-only", key);
}

async function edit(
  { path }: Pick<ClusterFile, "path">,
  from: string,
  to: string,
): Promise<void> {
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replace(from, to));
}

/** Starts a node, lets it lead, does something, and stops it; returns what it logged. */
async function serve(
  args: readonly string[],
  work: () => Promise<unknown> = () => Promise.resolve(),
): Promise<AgentProcess> {
  await using agent = startAgent(args);
  await agent.logged("Became leader: n1");
  await work();
  strictEqual((await agent.stop()).code, 0);
  return agent;
}

/** The fields of the log lines that begin with `message`. */
function fieldsOf(
  { lines }: AgentProcess,
  message: string,
  names: readonly string[],
): unknown[][] {
  return lines.filter((line) => line.message.startsWith(message))
    .map(({ fields }) => names.map((name) => fields[name]));
}

Deno.test("init applies only what is new in its cluster.kat, and says what it leaves as another node has set it", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const args = initArgs(file, `${dir.path}/data`);
  // As another node would, whose file says 9.
  const elsewhere = async () => {
    const config = JSON.parse(await get(file, CONFIG_KEY));
    await etcdctl(
      endpointOf(file),
      "put",
      CONFIG_KEY,
      JSON.stringify({ ...config, leaderLeaseSeconds: 9 }),
    );
  };
  await serve(args, elsewhere);

  await edit(file, "spec:", "spec:\n  backupIntervalMinutes: 5");
  const second = await serve(args, async () => {
    const config = JSON.parse(await get(file, CONFIG_KEY));
    strictEqual(config.leaderLeaseSeconds, 9);
    strictEqual(config.backupIntervalMinutes, 5);
  });
  await edit(file, "leaderLeaseSeconds: 5", "leaderLeaseSeconds: 7");
  const third = await serve(args, async () => {
    const config = JSON.parse(await get(file, CONFIG_KEY));
    strictEqual(config.leaderLeaseSeconds, 7);
  });

  deepStrictEqual(fieldsOf(second, CHANGED, ["field", "from", "to"]), [
    ["spec.backupIntervalMinutes", 30, 5],
  ]);
  deepStrictEqual(
    fieldsOf(second, KEPT, ["level", "field", "cluster", "file"]),
    [["warning", "spec.leaderLeaseSeconds", 9, 5]],
  );
  deepStrictEqual(fieldsOf(third, CHANGED, ["field", "from", "to"]), [
    ["spec.leaderLeaseSeconds", 9, 7],
  ]);
  deepStrictEqual(fieldsOf(third, KEPT, ["field"]), []);
});

Deno.test("a node that an older agent made applies what changed in its cluster.kat since", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const args = initArgs(file, data);
  await serve(args);
  const { appliedSpec, isLeaseGiven: _, ...older } = JSON.parse(
    await Deno.readTextFile(`${data}/node.json`),
  );
  strictEqual(appliedSpec.leaderLeaseSeconds, 5);
  await Deno.writeTextFile(`${data}/node.json`, JSON.stringify(older));

  await edit(file, "leaderLeaseSeconds: 5", "leaderLeaseSeconds: 7");
  const again = await serve(args);

  deepStrictEqual(fieldsOf(again, CHANGED, ["field", "from", "to"]), [
    ["spec.leaderLeaseSeconds", 5, 7],
  ]);
});

Deno.test("a cluster.kat that leaves the lease out does not take away the one that another node has given", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  await edit(file, "  leaderLeaseSeconds: 5\n", "");
  const args = initArgs(file, `${dir.path}/data`);
  const timing = async () => JSON.parse(await get(file, "/kat/config/timing"));
  {
    await using agent = startAgent(args);
    await agent.logged("Updated the timing of the cluster");
    const { leaderLeaseSeconds: _, ...given } = await timing();
    // As another node would, whose file says a lease.
    await etcdctl(
      endpointOf(file),
      "put",
      "/kat/config/timing",
      JSON.stringify(given),
    );
    await agent.stop();
  }

  await serve(args);
  await serve(args, async () => {
    strictEqual((await timing()).leaderLeaseSeconds, undefined);
  });
});

Deno.test("the store has the cluster's name, which an older cluster gets at its next start", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  await serve(initArgs(file, data), async () => {
    strictEqual(await get(file, NAME_KEY), "test");
    await etcdctl(endpointOf(file), "del", NAME_KEY);
  });

  const named = await serve(["run", `--data-dir=${data}`], async () => {
    strictEqual(await get(file, NAME_KEY), "test");
  });

  deepStrictEqual(fieldsOf(named, "Named the cluster", ["name"]), [["test"]]);
});

for (const [other, warns] of [["elsewhere", 1], ["no name\n", 0]] as const) {
  Deno.test(`a node goes on where the store names its cluster ${JSON.stringify(other)}`, async () => {
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    const data = `${dir.path}/data`;
    await serve(initArgs(file, data), async () => {
      await etcdctl(endpointOf(file), "put", NAME_KEY, other);
    });

    const again = await serve(initArgs(file, data), async () => {
      strictEqual(await get(file, NAME_KEY), other.trim());
    });

    const warned = fieldsOf(again, "The store has another name", [
      "level",
      "stored",
      "remembered",
    ]);
    deepStrictEqual(warned, [["warning", other, "test"]].slice(0, warns));
  });
}

Deno.test("init refuses to make a node of a cluster that has another name in the store", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  const args = initArgs(file, data);
  await serve(args, async () => {
    await etcdctl(endpointOf(file), "put", NAME_KEY, "elsewhere");
  });
  // As it is when the first start ended before it knew the cluster.
  const record = JSON.parse(await Deno.readTextFile(`${data}/node.json`));
  const { clusterUid: _, ...rest } = record;
  await Deno.writeTextFile(
    `${data}/node.json`,
    JSON.stringify({ ...rest, state: "initialising" }),
  );

  await using agent = startAgent(args);
  const { code, stderr } = await agent.ended;

  strictEqual(code, 78, stderr);
  match(
    stderr,
    /its cluster is "elsewhere", and metadata\.name in cluster\.kat is "test"/,
  );
});
