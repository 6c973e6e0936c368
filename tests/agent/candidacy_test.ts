import { ok, strictEqual } from "node:assert/strict";
import { startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { eventually } from "../machine/eventually.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { measureStalls } from "../machine/stall.ts";
import { tempDir } from "../machine/temp_dir.ts";

/** No lease of this length runs out while a test waits. */
const LEASE_SECONDS = 300;
const GAVE_BACK = "Gave back the lease that the last agent of this node";

async function node(dir: string) {
  const file = await writeClusterFile(dir, {
    spec: { leaderLeaseSeconds: LEASE_SECONDS },
  });
  const data = `${dir}/data`;
  return {
    endpoint: `http://127.0.0.1:${file.clientPort}`,
    init: () => startAgent(initArgs(file, data)),
    run: () => startAgent(["run", `--data-dir=${data}`]),
    /** The key in node.json, once it is another than `before`. */
    remembered: (before?: string): Promise<string> =>
      eventually(async () => {
        const text = await Deno.readTextFile(`${data}/node.json`);
        const { electionKey } = JSON.parse(text);
        ok(electionKey !== undefined && electionKey !== before);
        return electionKey;
      }),
  };
}

for (const isEtcdKilled of [false, true]) {
  const what = isEtcdKilled ? "agent and etcd were" : "agent was";
  Deno.test(`a node whose ${what} killed leads again at once, and not when the lease is over`, async () => {
    await using dir = await tempDir();
    const { init, run, remembered, endpoint } = await node(dir.path);
    await using first = init();
    const started = await first.logged("etcd started");
    const before = await first.logged("Became leader: n1");
    await remembered();

    first.kill("SIGKILL");
    if (isEtcdKilled) Deno.kill(Number(started.fields.pid), "SIGKILL");
    await first.ended;
    using stalls = measureStalls();
    const againMs = Date.now();
    await using again = run();
    const became = await again.logged("Became leader: n1");

    await again.logged(GAVE_BACK);
    const tookMs = became.timeMs - againMs;
    ok(tookMs < 20_000 + stalls.totalMs, `it took ${tookMs} ms`);
    ok(
      BigInt(String(became.fields.fence)) > BigInt(String(before.fields.fence)),
    );
    const keys = await etcdctl(
      endpoint,
      "get",
      "--prefix",
      "--keys-only",
      "/kat/leader_election/",
    );
    strictEqual(keys.split("\n").filter((line) => line !== "").length, 1);
  });
}

Deno.test("a node whose agent was killed leaves the term of another agent of its name alone", async () => {
  await using dir = await tempDir();
  const { init, run, remembered, endpoint } = await node(dir.path);
  await using first = init();
  await first.logged("Became leader: n1");
  await using namesake = startAgent([
    "run",
    `--endpoints=${endpoint}`,
    "--node-name=n1",
  ]);
  await namesake.logged("The election still holds a term under this node's");
  const key = await remembered();
  first.kill("SIGKILL");
  await first.ended;

  await using again = run();
  await again.logged(GAVE_BACK);
  const { fields } = await namesake.logged("Became leader: n1");
  // A second time: node.json now has the key of `again`.
  await remembered(key);
  again.kill("SIGKILL");
  await again.ended;
  await using third = run();
  await third.logged("The election still holds a term under this node's");

  strictEqual(
    namesake.lines.some(({ message }) => message.startsWith("Lost")),
    false,
  );
  const { code } = await namesake.stop();
  strictEqual(code, 0);
  const next = await third.logged("Became leader: n1");
  ok(BigInt(String(next.fields.fence)) > BigInt(String(fields.fence)));
});
