import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { copyTree } from "../machine/copy_tree.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { tempDir } from "../machine/temp_dir.ts";

/** A node that was a leader once and was stopped in order. */
async function formerNode(dir: string) {
  const file = await writeClusterFile(dir);
  const data = `${dir}/data`;
  const args = initArgs(file, data);
  const agent = startAgent(args);
  await agent.logged("Became leader: n1");
  strictEqual((await agent.stop()).code, 0);
  const names = await Array.fromAsync(Deno.readDir(`${data}.state`));
  const [{ name = "" } = {}] = names;
  return { file, data, args, note: `${data}.state/${name}`, names };
}

for (
  const [what, vanish] of [
    ["was removed", (data: string) => Deno.remove(data, { recursive: true })],
    ["is an empty mount point", async (data: string) => {
      await Deno.remove(data, { recursive: true });
      await Deno.mkdir(data);
      await Deno.mkdir(`${data}/lost+found`);
    }],
  ] as const
) {
  Deno.test(`a data directory that ${what} does not become a new cluster, until its note is deleted`, async () => {
    await using dir = await tempDir();
    const { data, args, note } = await formerNode(dir.path);
    await vanish(data);

    for (const again of [args, ["run", `--data-dir=${data}`]]) {
      const { code, stderr } = await startAgent(again).ended;
      strictEqual(code, 1);
      match(
        stderr,
        /Cannot start: .* was the data directory of node "n1" of the cluster "test", and nothing of it is there now/,
      );
      ok(stderr.includes(`delete "${note}"`), stderr);
    }
    const status = await runAgent(["status", `--data-dir=${data}`]);
    strictEqual(status.code, 1);
    match(status.stderr, /Cannot find a node: .* was the data directory of/);
    const left = await Array.fromAsync(Deno.readDir(data)).catch(() => []);
    deepStrictEqual(left.filter(({ name }) => name !== "lost+found"), []);

    await Deno.remove(note);
    await using anew = startAgent(args);
    await anew.logged("Created the cluster");
  });
}

Deno.test("a note that a power cut emptied still keeps a data directory from a new cluster", async () => {
  await using dir = await tempDir();
  const { data, args, note } = await formerNode(dir.path);
  await Deno.remove(data, { recursive: true });

  for (const text of ["", "\0\0\0\0", '{"dataDir": "/x", "nod']) {
    await Deno.writeTextFile(note, text);
    const { code, stderr } = await startAgent(args).ended;
    strictEqual(code, 1, text);
    match(stderr, /was the data directory of a node, and nothing/);
  }
});

Deno.test("a register that cannot be written is told of and stops no node", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  await Deno.writeTextFile(`${dir.path}/file`, "");

  for (const place of [`${dir.path}/file`, `${data}/inside`]) {
    await using agent = startAgent(initArgs(file, data), {
      env: { KAT_STATE_DIR: place },
    });
    const { fields, level } = await agent.logged("Cannot note this node");
    strictEqual(level, "warning");
    match(String(fields.advice), /--state-dir/);
    await agent.logged("Became leader: n1");
    await agent.stop();
  }
});

Deno.test("a copy of the whole directory from before the last start is told of when it is put back", async () => {
  await using dir = await tempDir();
  const { file, data, args } = await formerNode(dir.path);
  await copyTree(data, `${dir.path}/copy`);
  for (const _ of [1, 2]) {
    await using agent = startAgent(args);
    await agent.logged("Became leader: n1");
    const endpoint = `http://127.0.0.1:${file.clientPort}`;
    await etcdctl(endpoint, "put", "/a", "later");
    await agent.stop();
  }
  await Deno.remove(data, { recursive: true });
  await Deno.rename(`${dir.path}/copy`, data);

  await using agent = startAgent(args);
  const { fields } = await agent.logged("The data directory is an older copy");
  match(
    String(fields.reason),
    /^it was at revision \d+, and this node has started at revision \d+ before$/,
  );
  await agent.logged("Became leader: n1");
});
