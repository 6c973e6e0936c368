import { match, ok, strictEqual } from "node:assert/strict";
import {
  endOrphan,
  findOrphan,
  writePidFile,
} from "../src/etcd/etcd_pid_file.ts";
import type { EtcdProcessOptions } from "../src/etcd/etcd_process.ts";
import { startEtcd } from "../src/etcd/etcd_process.ts";
import {
  findProcess,
  findWithPs,
  HAS_PROC,
} from "../src/etcd/process_table.ts";
import { etcdctl, testMember } from "./support/test_member.ts";
import { tempDir } from "./support/temp_dir.ts";

/** A child that only waits, as any program may that got an old pid. */
function bystander(env: Record<string, string> = {}) {
  const child = new Deno.Command("sleep", { args: ["600"], env }).spawn();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

/** Starts {@linkcode etcd_keeper.ts} as the leader of a process group; resolves once its etcd serves. */
async function startKeeper(options: EtcdProcessOptions) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      new URL("./support/etcd_keeper.ts", import.meta.url).pathname,
      JSON.stringify(options),
    ],
    stdin: "null",
    stdout: "piped",
    detached: true,
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const etcdPid = Number((await lines.read()).value);
  return {
    pid: child.pid,
    etcdPid,
    nextLine: async () => (await lines.read()).value?.trim(),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // The test has ended it.
      }
      await child.status;
      await lines.cancel();
    },
  };
}

Deno.test("endOrphan() ends the etcd that a killed agent left behind", async () => {
  await using member = await testMember();
  const { pidFile, member: { dataDir } } = member.options;
  let etcdPid: number;
  {
    await using keeper = await startKeeper(member.options);
    ({ etcdPid } = keeper);
  }

  const orphan = await findOrphan(pidFile, dataDir);
  ok(orphan, "no orphan found");
  strictEqual(orphan.pid, etcdPid);
  await endOrphan(orphan, { graceMs: 10_000 });

  strictEqual(await findProcess(etcdPid), undefined);
  strictEqual(await findOrphan(pidFile, dataDir), undefined);
  await using etcd = await startEtcd(member.options);
  await etcd.waitUntilServing();
  strictEqual(etcd.state, "serving");
});

Deno.test("endOrphan() kills an orphan that hangs, once the grace time is over", async () => {
  await using member = await testMember();
  const { pidFile, member: { dataDir } } = member.options;
  {
    await using _keeper = await startKeeper(member.options);
  }
  const orphan = await findOrphan(pidFile, dataDir);
  ok(orphan, "no orphan found");
  Deno.kill(orphan.pid, "SIGSTOP");

  await endOrphan(orphan, { graceMs: 200 });

  strictEqual(await findProcess(orphan.pid), undefined);
});

if (HAS_PROC) {
  Deno.test("findOrphan() finds an etcd by its marker when its agent was killed before it wrote the pid file", async () => {
    await using member = await testMember();
    const { pidFile, member: { dataDir } } = member.options;
    await using etcd = await startEtcd(member.options);
    await Deno.remove(pidFile);

    strictEqual((await findOrphan(pidFile, dataDir))?.pid, etcd.pid);
    strictEqual(await findOrphan(pidFile, `${dataDir}/other`), undefined);
  });
}

Deno.test("findOrphan() takes no program for etcd because it carries the marker", async () => {
  await using dir = await tempDir();
  const dataDir = `${dir.path}/etcd`;
  await Deno.mkdir(dataDir);
  await using _other = bystander({ KAT_AGENT_DATA_DIR: dataDir });
  strictEqual(await findOrphan(`${dir.path}/etcd.pid`, dataDir), undefined);
});

Deno.test("findOrphan() finds nothing in a file that is missing, garbage, or of another directory", async () => {
  await using dir = await tempDir();
  await using other = bystander();
  const pidFile = `${dir.path}/etcd.pid`;
  const { startTime } = await findProcess(other.pid) ?? {};
  ok(startTime !== undefined);

  strictEqual(await findOrphan(pidFile, dir.path), undefined);
  for (
    const content of [
      "",
      "garbage",
      "null",
      "[]",
      String(other.pid),
      JSON.stringify({ pid: -1, startTime }),
      JSON.stringify({ pid: 0, startTime }),
      JSON.stringify({ pid: 1, startTime }),
      JSON.stringify({ pid: `${other.pid}`, startTime }),
      JSON.stringify({ pid: other.pid }),
      JSON.stringify({ pid: 2 ** 31 - 1, startTime }),
    ]
  ) {
    await Deno.writeTextFile(pidFile, content);

    strictEqual(await findOrphan(pidFile, dir.path), undefined, content);
  }
});

Deno.test("findOrphan() takes no other program for etcd, although it has the pid and the start time", async () => {
  await using dir = await tempDir();
  await using other = bystander();
  const pidFile = `${dir.path}/etcd.pid`;
  await writePidFile(pidFile, { pid: other.pid, dataDir: dir.path });
  match(await Deno.readTextFile(pidFile), new RegExp(`"pid":${other.pid}\\b`));

  strictEqual(await findOrphan(pidFile, dir.path), undefined);
});

Deno.test("endOrphan() leaves the pid's later owner alone", async () => {
  await using other = bystander();

  await endOrphan({ pid: other.pid, startTime: "1" }, { graceMs: 0 });

  ok(await findProcess(other.pid), "the bystander was ended");
});

Deno.test("findProcess() does not see a process that has ended", async () => {
  const child = new Deno.Command("true").spawn();
  await child.status;

  strictEqual(await findProcess(child.pid), undefined);
  strictEqual(await findWithPs(child.pid), undefined);
});

Deno.test("findWithPs() tells processes apart as /proc does", async () => {
  await using other = bystander();

  const first = await findWithPs(other.pid);
  const again = await findWithPs(other.pid);

  ok(first, "not found");
  match(first.args.join(" "), /sleep 600$/);
  match(first.startTime, /^\w{3} \w{3} +\d+ [\d:]{8} \d{4}$/);
  strictEqual(again?.startTime, first.startTime);
});

Deno.test("startEtcd() keeps etcd out of reach of a Ctrl-C meant for the agent", async () => {
  await using member = await testMember();
  const { pidFile, member: { dataDir } } = member.options;
  {
    await using keeper = await startKeeper(member.options);
    const { success } = await new Deno.Command("kill", {
      args: ["-s", "INT", "--", `-${keeper.pid}`],
    }).output();
    ok(success);

    strictEqual(await keeper.nextLine(), "SIGINT");
    strictEqual((await etcdctl(member.clientUrl, "get", "a")).code, 0);
    const { stdout } = await new Deno.Command("ps", {
      args: ["-o", "pgid=", "-p", String(keeper.etcdPid)],
    }).output();
    strictEqual(Number(new TextDecoder().decode(stdout)), keeper.etcdPid);
    if (HAS_PROC) {
      const status = await Deno.readTextFile(`/proc/${keeper.etcdPid}/status`);
      match(status, new RegExp(`^NSsid:\\s${keeper.etcdPid}$`, "m"));
    }
  }
  const orphan = await findOrphan(pidFile, dataDir);
  ok(orphan, "no orphan found");
  await endOrphan(orphan, { graceMs: 10_000 });
});
