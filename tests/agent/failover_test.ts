import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { makeCluster } from "../machine/cluster_on_etcd.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { measureStalls } from "../machine/stall.ts";
import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";

function runOn(endpoint: string, nodeName: string) {
  return startAgent([
    "run",
    `--endpoints=${endpoint}`,
    `--node-name=${nodeName}`,
  ]);
}

Deno.test("a second agent observes the leader and leads at once when that one stops in order", async () => {
  await using etcd = await startTestEtcd();
  // A lease this long cannot be what the hand-over waits for.
  await makeCluster(etcd.endpoint, 600);
  await using first = runOn(etcd.endpoint, "n1");
  await first.logged("Became leader: n1");
  await using second = runOn(etcd.endpoint, "n2");
  await second.logged("Observing leader: n1");
  const isLeader = () =>
    second.lines.some(({ message }) => message.startsWith("Became leader"));
  strictEqual(isLeader(), false);

  using stalls = measureStalls();
  const end = await first.stop();
  const became = await second.logged("Became leader: n2");

  strictEqual(end.code, 0);
  const resigned = await first.logged("Resigned leadership");
  ok(
    became.timeMs - resigned.timeMs < 1_000 + stalls.totalMs,
    `the hand-over took ${became.timeMs - resigned.timeMs} ms`,
  );
  strictEqual((await second.stop()).code, 0);
  strictEqual(await etcd.ctl("get", "--prefix", "/kat/leader_election/"), "");
});

Deno.test("a second agent leads within the lease and 2 s when the leader is killed", async () => {
  const leaseSeconds = 5;
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, leaseSeconds);
  await using first = runOn(etcd.endpoint, "n1");
  await first.logged("Became leader: n1");
  await using second = runOn(etcd.endpoint, "n2");
  await second.logged("Observing leader: n1");

  using stalls = measureStalls();
  const killedMs = Date.now();
  first.kill("SIGKILL");
  const became = await second.logged("Became leader: n2");

  const tookMs = became.timeMs - killedMs;
  const boundMs = leaseSeconds * 1_000 + 2_000 + stalls.totalMs;
  ok(tookMs <= boundMs, `it took ${tookMs} ms, more than ${boundMs}`);
});

Deno.test("both agents recover when the leader and its etcd stop and start again", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path, {
    spec: { leaderLeaseSeconds: 3 },
  });
  const data = `${dir.path}/data`;
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  const first = startAgent(initArgs(file, data));
  await first.logged("Became leader: n1");
  await using second = runOn(endpoint, "n2");
  await second.logged("Observing leader: n1");
  await etcdctl(endpoint, "put", "/kat/workloads/a", "kept");

  const before = second.lines.length;
  strictEqual((await first.stop()).code, 0);
  await second.logged("The store cannot be reached", before);
  await using again = startAgent(["run", `--data-dir=${data}`]);
  await second.logged("The store can be reached again", before);

  const leader = await Promise.any([
    again.logged("Became leader: n1").then(() => "n1"),
    second.logged("Became leader: n2", before).then(() => "n2"),
  ]);
  const [observer, name] = leader === "n1" ? [second, "n1"] : [again, "n2"];
  await observer.logged(
    `Observing leader: ${name}`,
    leader === "n1" ? before : 0,
  );
  deepStrictEqual(
    (await etcdctl(endpoint, "get", "--prefix", "/kat/workloads/")).split("\n"),
    ["/kat/workloads/a", "kept"],
  );
});

Deno.test("an agent whose etcd cannot be reached says so, and takes part once it can", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 5);
  await etcd.kill();
  await using agent = runOn(etcd.endpoint, "n1");
  await agent.logged("Waiting for the store");
  await etcd.restart();
  await agent.logged("Became leader: n1");
});

Deno.test("an agent takes part on an etcd that is named by its host's name", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 5);
  await using agent = runOn(`http://localhost:${etcd.port}`, "n1");
  await agent.logged("Became leader: n1");
});

Deno.test("a leader that is cut off loses its term before another agent leads", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 4);
  await using proxy = startTcpProxy(etcd.port);
  await using cutOff = runOn(proxy.endpoint, "n1");
  await cutOff.logged("Became leader: n1");
  await using other = runOn(etcd.endpoint, "n2");
  await other.logged("Observing leader: n1");

  proxy.pause();
  const lost = await cutOff.logged("Lost leadership: ");
  const became = await other.logged("Became leader: n2");
  ok(
    lost.timeMs <= became.timeMs,
    `n1 led until ${lost.timeMs}, n2 from ${became.timeMs}`,
  );

  proxy.resume();
  await cutOff.logged("Observing leader: n2");
});
