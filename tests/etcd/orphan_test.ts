import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { assertUnlocked } from "../../src/etcd/data/data_dir_lock.ts";
import {
  differingSettings,
  orphanMismatch,
} from "../../src/etcd/process/compare_orphan.ts";
import { versionText } from "../../src/etcd/etcd_version.ts";
import { chooseTiming } from "../../src/etcd/etcd_timing.ts";
import { etcdFlags } from "../../src/etcd/process/etcd_flags.ts";
import {
  findOrphan,
  writePidFile,
} from "../../src/etcd/process/etcd_pid_file.ts";
import {
  endOrphan,
  killOrphanNow,
  signalOrphan,
} from "../../src/etcd/process/orphan.ts";
import { startEtcd } from "../../src/etcd/process/etcd_process.ts";
import {
  findProcess,
  findWithPs,
  HAS_PROC,
} from "../../src/base/process_table.ts";
import { eventually } from "../machine/eventually.ts";
import { startKeeper } from "../machine/keeper.ts";
import { tryEtcdctl } from "../machine/etcdctl.ts";
import { testMember } from "../machine/test_member.ts";
import { tempDir } from "../machine/temp_dir.ts";

/** A child that only waits: any program may get an old pid. */
function bystander() {
  const child = new Deno.Command("sleep", { args: ["600"] }).spawn();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // The test has ended it.
      }
      await child.status;
    },
  };
}

/** A child that is no etcd, but has the database open and carries a marker, ours if not another. */
async function pretender(
  dataDir: string,
  { args = [], marker = dataDir }: {
    readonly args?: readonly string[];
    readonly marker?: string;
  } = {},
) {
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      'exec 3< "$1/member/snap/db" && echo ready && read line',
      "etcd",
      dataDir,
      ...args,
    ],
    env: { KAT_AGENT_DATA_DIR: marker, KAT_AGENT_CHILD_ID: "1" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.getReader();
  ok(!(await lines.read()).done);
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await child.status;
      await lines.cancel();
    },
  };
}

/** Locks the database in `path` as a running etcd does. */
async function lockDataDir(path: string): Promise<Deno.FsFile> {
  await Deno.mkdir(`${path}/member/snap`, { recursive: true });
  const file = await Deno.open(`${path}/member/snap/db`, {
    write: true,
    create: true,
  });
  await file.lock(true);
  return file;
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
    await etcd.waitUntilServing();
    await Deno.remove(pidFile);

    const orphan = await findOrphan(pidFile, dataDir);
    strictEqual(orphan?.pid, etcd.pid);
    deepStrictEqual(
      orphan.args,
      [
        member.options.binary,
        ...etcdFlags(member.options.member, member.options.version),
      ],
    );
    strictEqual(await findOrphan(pidFile, `${dataDir}/other`), undefined);
  });
}

Deno.test("orphanMismatch() returns nothing for an orphan that is as a new etcd would be", async () => {
  await using member = await testMember();
  const { pidFile, member: { dataDir }, version } = member.options;
  {
    await using _keeper = await startKeeper(member.options);
  }
  const orphan = await findOrphan(pidFile, dataDir);
  ok(orphan, "no orphan found");
  await using _ending = {
    [Symbol.asyncDispose]: () => endOrphan(orphan, { graceMs: 200 }),
  };

  strictEqual(await orphanMismatch(orphan, member.options), undefined);
  const other = {
    ...member.options.member,
    ...chooseTiming({ electionTimeoutMs: 700 }, member.options.member),
  };
  strictEqual(
    await orphanMismatch(orphan, { ...member.options, member: other }),
    "it runs with other --heartbeat-interval, --election-timeout",
  );
  strictEqual(
    await orphanMismatch(orphan, {
      ...member.options,
      binary: "/usr/bin/etcd",
    }),
    "it runs with other program",
  );
  const newer = { ...version, patch: version.patch + 1 };
  strictEqual(
    await orphanMismatch(orphan, { ...member.options, version: newer }),
    `it is etcd ${versionText(version)}`,
  );
  Deno.kill(orphan.pid, "SIGSTOP");
  strictEqual(
    await orphanMismatch(orphan, member.options),
    "it does not answer",
  );
});

if (HAS_PROC) {
  Deno.test("orphanMismatch() notices that the program of an orphan was replaced", async () => {
    await using member = await testMember();
    const binary = `${member.dir}/etcd-program`;
    await Deno.copyFile(member.options.binary, binary);
    const options = { ...member.options, binary };
    {
      await using _keeper = await startKeeper(options);
    }
    const orphan = await findOrphan(options.pidFile, options.member.dataDir);
    ok(orphan, "no orphan found");
    await using _ending = {
      [Symbol.asyncDispose]: () => endOrphan(orphan, { graceMs: 10_000 }),
    };
    strictEqual(await orphanMismatch(orphan, options), undefined);

    await Deno.copyFile(member.options.binary, `${binary}.new`);
    await Deno.rename(`${binary}.new`, binary);

    strictEqual(
      await orphanMismatch(orphan, options),
      "its program has been replaced since",
    );
  });
}

Deno.test("differingSettings() names what differs, whichever side has it", () => {
  const wanted = ["/opt/et cd", "--name=a", "--data-dir=/d x", "--v2=false"];
  const cases: [readonly string[], string[]][] = [
    [wanted, []],
    // As `ps` tells it.
    [wanted.join(" ").split(" "), []],
    [wanted.with(0, "/opt/etcd"), ["program"]],
    [wanted.with(0, "/opt/et cd2"), ["program"]],
    [wanted.with(1, "--name=ab"), ["--name"]],
    [wanted.slice(0, 3), ["--v2"]],
    [[...wanted, "--debug"], ["--debug"]],
    [[...wanted, "--name=a"], ["order of settings"]],
  ];

  for (const [args, names] of cases) {
    deepStrictEqual(differingSettings(args, wanted), names, String(args));
  }
});

Deno.test("findOrphan() does not take a program with the marker for etcd", async () => {
  await using dir = await tempDir();
  const dataDir = `${dir.path}/etcd`;
  using _lock = await lockDataDir(dataDir);
  await using _other = await pretender(dataDir);
  await using _another = await pretender(dataDir, {
    args: [`--data-dir=${dataDir}2`],
  });

  strictEqual(await findOrphan(`${dir.path}/etcd.pid`, dataDir), undefined);
});

Deno.test("findOrphan() does not take the etcd that another program started on the directory", async () => {
  await using dir = await tempDir();
  const dataDir = `${dir.path}/etcd`;
  using _lock = await lockDataDir(dataDir);
  await using _other = await pretender(dataDir, {
    args: [`--data-dir=${dataDir}`],
    marker: "",
  });

  strictEqual(await findOrphan(`${dir.path}/etcd.pid`, dataDir), undefined);
});

Deno.test("findOrphan() starts no program when there is neither a pid file nor a lock", async () => {
  await using dir = await tempDir();
  const dataDir = `${dir.path}/etcd`;
  const { Command } = Deno;
  let started = 0;
  const find = () => findOrphan(`${dir.path}/etcd.pid`, dataDir);
  const counting = class extends Command {
    constructor(...args: ConstructorParameters<typeof Command>) {
      super(...args);
      started += 1;
    }
  };
  try {
    Object.assign(Deno, { Command: counting });
    strictEqual(await find(), undefined);
    await Deno.mkdir(dataDir);
    strictEqual(await find(), undefined);
    {
      using lock = await lockDataDir(dataDir);
      await lock.unlock();
      strictEqual(await find(), undefined);
      strictEqual(started, 0);
      await lock.lock(true);
      strictEqual(await find(), undefined);
    }
  } finally {
    Object.assign(Deno, { Command });
  }
  // Else the count would say nothing.
  strictEqual(started > 0, HAS_PROC);
});

Deno.test("findOrphan() finds nothing in a file that is missing, garbage, or of another directory", async () => {
  await using dir = await tempDir();
  await using other = bystander();
  const pidFile = `${dir.path}/etcd.pid`;
  const childId = crypto.randomUUID();

  strictEqual(await findOrphan(pidFile, dir.path), undefined);
  for (
    const content of [
      "",
      "garbage",
      "null",
      "[]",
      String(other.pid),
      JSON.stringify({ pid: -1, childId }),
      JSON.stringify({ pid: 0, childId }),
      JSON.stringify({ pid: 1, childId }),
      JSON.stringify({ pid: `${other.pid}`, childId }),
      JSON.stringify({ pid: other.pid }),
      JSON.stringify({ pid: other.pid, childId }),
      JSON.stringify({ pid: 2 ** 31 - 1, childId }),
    ]
  ) {
    await Deno.writeTextFile(pidFile, content);

    strictEqual(await findOrphan(pidFile, dir.path), undefined, content);
  }
});

Deno.test("findOrphan() does not take another program with the pid for etcd", async () => {
  await using dir = await tempDir();
  await using other = bystander();
  const pidFile = `${dir.path}/etcd.pid`;
  await writePidFile(pidFile, { pid: other.pid, childId: "1" });
  match(await Deno.readTextFile(pidFile), new RegExp(`"pid":${other.pid}\\b`));

  strictEqual(await findOrphan(pidFile, dir.path), undefined);
});

if (HAS_PROC) {
  Deno.test("findOrphan() does not take another child of this process for the recorded etcd", async () => {
    await using dir = await tempDir();
    // With a blank, which `ps` and a command line in one piece do not show.
    const dataDir = `${dir.path}/et cd`;
    const pidFile = `${dir.path}/etcd.pid`;
    {
      using _database = await lockDataDir(dataDir);
    }
    {
      await using other = await pretender(dataDir, {
        args: [`--data-dir=${dataDir}`],
      });
      const { pid } = other;

      await writePidFile(pidFile, { pid, childId: "2" });
      strictEqual(await findOrphan(pidFile, dataDir), undefined);
      await writePidFile(pidFile, { pid, childId: "1" });
      strictEqual((await findOrphan(pidFile, dataDir))?.pid, pid);
    }

    strictEqual(await findOrphan(pidFile, dataDir), undefined);
  });
}

Deno.test("endOrphan() leaves the pid's later owner alone", async () => {
  await using other = bystander();

  await endOrphan({ pid: other.pid, startTime: "1", args: [] }, {
    graceMs: 0,
  });

  ok(await findProcess(other.pid), "the bystander was ended");
});

Deno.test("signalOrphan() and killOrphanNow() leave the pid's later owner alone", async () => {
  await using other = bystander();
  const orphan = { pid: other.pid, startTime: "1", args: [] };

  strictEqual(await signalOrphan(orphan, "SIGKILL"), false);
  killOrphanNow(orphan);

  ok(await findProcess(other.pid), "the bystander was ended");
  const { startTime = "" } = await findProcess(other.pid) ?? {};
  killOrphanNow({ ...orphan, startTime });
  await eventually(async () =>
    strictEqual(await findProcess(other.pid), undefined)
  );
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
    strictEqual((await tryEtcdctl(member.clientUrl, "get", "a")).code, 0);
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

Deno.test({
  name:
    "findProcess() knows a process until its last thread ends, and assertUnlocked() waits for that",
  ignore: !HAS_PROC,
  async fn() {
    await using dir = await tempDir();
    await Deno.mkdir(`${dir.path}/member/snap`, { recursive: true });
    const database = `${dir.path}/member/snap/db`;
    await Deno.writeTextFile(database, "");
    await using dying = await halfEnded(database);
    await eventually(async () => {
      const stat = await Deno.readTextFile(`/proc/${dying.pid}/stat`);
      match(stat, /\) Z /);
    });
    strictEqual((await findProcess(dying.pid))?.pid, dying.pid);

    const waiting = assertUnlocked(dir.path);
    await dying.end();
    await waiting;
    strictEqual(await findProcess(dying.pid), undefined);
  },
});

/** A process whose first thread is gone, while another has `path` open and locked. */
async function halfEnded(path: string) {
  const program = fileURLToPath(
    new URL("../programs/half_ended_process.ts", import.meta.url),
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program, path],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.getReader();
  ok(!(await lines.read()).done);
  const end = async () => {
    await child.stdin.close().catch(() => {});
    await child.status;
    await lines.cancel();
  };
  return { pid: child.pid, end, [Symbol.asyncDispose]: end };
}
