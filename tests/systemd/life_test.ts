import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { writeClusterFile } from "../machine/cluster_file.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { eventually } from "../machine/eventually.ts";
import {
  bootSystemd,
  type SystemdMachine,
  whyNoSystemd,
} from "../machine/systemd_machine.ts";
import { tempDir } from "../machine/temp_dir.ts";

const UNIT = "kat-agent.service";
/** A path that systemd would split if it were not quoted. */
const PROGRAM_DIR = "50%n $off";
const SECURITY_LIMIT = 2.0;
const LEADS = /^leader since \d\d:\d\d, fence \d+, etcd \S+ healthy$/;

/** From source, unless `KAT_TEST_AGENT` names a kat-agent in one file. */
const FROM_SOURCE = `#!/bin/sh
export DENO_DIR=/opt/deno_dir
exec /opt/deno run --quiet --cached-only --no-prompt --config=/opt/repository/deno.json -P=agent /opt/repository/main.ts "$@"
`;

const reason = await whyNoSystemd();
if (reason !== undefined) {
  const text = `\n*** NOT TESTED: life under systemd, because ${reason}\n\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** Lays out the disk of a machine; returns the paths that matter, as seen in it. */
async function layOut(disk: string) {
  await Deno.chmod(disk, 0o755);
  const programs = `${disk}/${PROGRAM_DIR}`;
  await Deno.mkdir(programs);
  const built = Deno.env.get("KAT_TEST_AGENT");
  if (built) await Deno.copyFile(built, `${programs}/kat-agent`);
  else await Deno.writeTextFile(`${programs}/kat-agent`, FROM_SOURCE);
  await Deno.chmod(`${programs}/kat-agent`, 0o755);
  await Deno.copyFile(etcdBinaries.etcd, `${programs}/etcd`);
  const { clientPort } = await writeClusterFile(disk, {
    spec: { leaderLeaseSeconds: 3, backupPath: "/opt/box/backups" },
  });
  await Deno.chmod(`${disk}/cluster.kat`, 0o644);
  return {
    program: `/opt/box/${PROGRAM_DIR}/kat-agent`,
    etcd: `/opt/box/${PROGRAM_DIR}/etcd`,
    config: "/opt/box/cluster.kat",
    endpoint: `http://127.0.0.1:${clientPort}`,
  };
}

/** What systemd says of the unit. */
async function show(
  machine: SystemdMachine,
  ...names: string[]
): Promise<Record<string, string>> {
  const text = await machine.read(
    "systemctl",
    "show",
    `--property=${names.join(",")}`,
    UNIT,
  );
  return Object.fromEntries(
    text.split("\n").map((line) => {
      const [, name = "", value = ""] = /^([^=]*)=(.*)$/.exec(line) ?? [];
      return [name, value];
    }),
  );
}

/** Waits until the node leads, in a process other than `before`; returns its processes. */
async function leads(machine: SystemdMachine, before?: string) {
  return await eventually(async () => {
    const { ActiveState, StatusText, MainPID = "" } = await show(
      machine,
      "ActiveState",
      "StatusText",
      "MainPID",
    );
    strictEqual(ActiveState, "active");
    match(StatusText ?? "", LEADS);
    ok(MainPID !== before);
    const [etcd = "", ...more] = (await processes(machine))
      .filter((pid) => pid !== MainPID);
    deepStrictEqual(more, [], "one etcd");
    ok(etcd !== "");
    return { agent: MainPID, etcd };
  }, { withinMs: 60_000, everyMs: 200 }).catch(async (error) => {
    const log = await machine.read("journalctl", "-u", UNIT, "-n", "30");
    throw new Error(`It does not lead: ${error.message}\n${log}`);
  });
}

/** The processes in the unit's control group. */
async function processes(machine: SystemdMachine): Promise<string[]> {
  const { code, stdout } = await machine.run(
    "cat",
    `/sys/fs/cgroup/system.slice/${UNIT}/cgroup.procs`,
  );
  return code === 0 ? stdout.trim().split("\n").filter(Boolean) : [];
}

/** The entries of the unit in the journal of this boot. */
async function journal(
  machine: SystemdMachine,
): Promise<Record<string, string>[]> {
  await machine.read("journalctl", "--sync");
  const text = await machine.read("journalctl", "-u", UNIT, "-o", "json");
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

async function clusterUid(endpoint: string): Promise<string> {
  return await etcdctl(
    endpoint,
    "get",
    "--print-value-only",
    "/kat/config/cluster_uid",
  );
}

Deno.test("a node lives under systemd, from its installation to its removal", {
  ignore: reason !== undefined,
}, async (t) => {
  await using disk = await tempDir();
  const { program, etcd, config, endpoint } = await layOut(disk.path);
  await using power = new AsyncDisposableStack();
  let machine = power.use(await bootSystemd(disk.path));
  let uid = "";

  await t.step(
    "install writes a unit that systemd finds nothing wrong with",
    async () => {
      const args = [
        "--config",
        config,
        "--node-name=n1",
        "--etcd-binary",
        etcd,
      ];
      const install = [program, "systemd", "install", ...args];
      // Run from source, there is no file for a service to execute.
      if (!Deno.env.get("KAT_TEST_AGENT")) install.push("--exec", program);
      const first = await machine.read(...install);
      match(first, /^Installed .*\nStart it now: systemctl start kat-agent$/);
      match(await machine.read(...install), /^Replaced /);
      strictEqual(
        await machine.read("systemctl", "is-enabled", UNIT),
        "enabled",
      );
      match(await machine.read("id", "kat"), /uid=\d+\(kat\) gid=\d+\(kat\)/);

      const verified = await machine.run(
        "systemd-analyze",
        "verify",
        `/etc/systemd/system/${UNIT}`,
      );
      deepStrictEqual(verified, { code: 0, stdout: "", stderr: "" });
      const security = await machine.read(
        "systemd-analyze",
        "security",
        "--offline=true",
        `--threshold=${SECURITY_LIMIT * 10}`,
        `/etc/systemd/system/${UNIT}`,
      );
      const [, exposure = "10"] =
        /Overall exposure.*: ([\d.]+)/.exec(security) ??
          [];
      ok(Number(exposure) <= SECURITY_LIMIT, exposure);
    },
  );

  await t.step(
    "it starts, leads, and says so in its status and the journal",
    async () => {
      // A drop-in with short times, so that the rest is quick.
      const dropIn = `/etc/systemd/system/${UNIT}.d`;
      await machine.read("mkdir", "-p", dropIn);
      await machine.read(
        "sh",
        "-c",
        `printf '[Service]\nWatchdogSec=4\nRestartSec=100ms\n' >${dropIn}/quick.conf`,
      );
      await machine.read("systemctl", "daemon-reload");
      await machine.read("systemctl", "start", UNIT);
      const pids = await leads(machine);
      uid = await clusterUid(endpoint);
      match(uid, /^[0-9a-f-]{36}$/);

      const owner = await machine.read(
        "stat",
        "-c",
        "%U",
        `/proc/${pids.etcd}`,
      );
      strictEqual(owner, "kat");
      const environment = await machine.read(
        "cat",
        `/proc/${pids.etcd}/environ`,
      );
      strictEqual(
        /NOTIFY|WATCHDOG|JOURNAL|INVOCATION/.test(environment),
        false,
      );
      const entry = await eventually(async () => {
        const found = (await journal(machine)).find(({ MESSAGE }) =>
          MESSAGE?.startsWith("Became leader: n1")
        );
        ok(found);
        return found;
      });
      strictEqual(entry.PRIORITY, "6");
      strictEqual(entry.KAT_COMPONENT, "election");
      strictEqual(entry.KAT_LEADER_ID, "n1");
      strictEqual(entry.SYSLOG_IDENTIFIER, "kat-agent");
    },
  );

  await t.step(
    "an agent that is killed is started again, on the same cluster, with one etcd",
    async () => {
      const before = await leads(machine);
      await machine.read("kill", "-KILL", before.agent);
      const after = await leads(machine, before.agent);
      ok(after.etcd !== before.etcd);
      strictEqual(await clusterUid(endpoint), uid);
    },
  );

  await t.step(
    "an etcd that is killed is started again by the same agent",
    async () => {
      const before = await leads(machine);
      await machine.read("kill", "-KILL", before.etcd);
      const after = await eventually(async () => {
        const now = await leads(machine);
        ok(now.etcd !== before.etcd);
        return now;
      });
      strictEqual(after.agent, before.agent);
      strictEqual(await clusterUid(endpoint), uid);
    },
  );

  for (const frozen of ["agent", "etcd"] as const) {
    await t.step(
      `the watchdog ends a node whose ${frozen} is frozen, and it comes back`,
      async () => {
        const before = await leads(machine);
        await machine.read("kill", "-STOP", before[frozen]);
        await leads(machine, before.agent);
        const said = (await journal(machine)).map(({ MESSAGE }) => MESSAGE);
        ok(said.some((text) => text?.includes("Watchdog timeout")));
        strictEqual(await clusterUid(endpoint), uid);
      },
    );
  }

  await t.step("a stop resigns, ends etcd and leaves nothing", async () => {
    await leads(machine);
    await machine.read("systemctl", "stop", UNIT);
    const { ActiveState, Result } = await show(
      machine,
      "ActiveState",
      "Result",
    );
    strictEqual(ActiveState, "inactive");
    strictEqual(Result, "success");
    deepStrictEqual(await processes(machine), []);
    const last = (await journal(machine))
      .filter(({ KAT_COMPONENT }) => KAT_COMPONENT !== undefined)
      .slice(-4).map(({ MESSAGE }) => MESSAGE?.replace(/ \w+=.*/, ""));
    deepStrictEqual(last, [
      "Resigned leadership",
      "Stopping etcd",
      "etcd stopped",
      "kat-agent stopped",
    ]);
  });

  await t.step("a wrong file fails once", async () => {
    const path = `${disk.path}/cluster.kat`;
    const right = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, right.replace("clusterCIDR", "clusterCDIR"));
    const { code } = await machine.run("systemctl", "start", UNIT);
    const found = await show(
      machine,
      ...["ActiveState", "SubState", "ExecMainStatus", "NRestarts"],
      "StatusText",
    );
    await Deno.writeTextFile(path, right);
    strictEqual(code, 1);
    match(found.StatusText ?? "", /^\/opt\/box\/cluster\.kat:\d+:\d+: spec\./);
    deepStrictEqual({ ...found, StatusText: "" }, {
      ActiveState: "failed",
      SubState: "failed",
      ExecMainStatus: "78",
      NRestarts: "0",
      StatusText: "",
    });
    const error = (await journal(machine)).find(({ MESSAGE }) =>
      MESSAGE?.startsWith("kat-agent: ")
    );
    strictEqual(error?.PRIORITY, "3");
  });

  await t.step("after a power cut and a boot it leads by itself", async () => {
    await machine.read("systemctl", "start", UNIT);
    await leads(machine);
    await machine.cutPower();
    machine = power.use(await bootSystemd(disk.path));
    await leads(machine);
    strictEqual(await clusterUid(endpoint), uid);
  });

  await t.step(
    "uninstall stops it and leaves its data, and touches no other's unit",
    async () => {
      const uninstall = [program, "systemd", "uninstall"];
      const dry = await machine.read(...uninstall, "--dry-run");
      match(dry, /^Would stop and disable kat-agent\.service/);
      match(await machine.read(...uninstall), /^Removed /);
      deepStrictEqual(await processes(machine), []);
      await machine.read("test", "-f", "/var/lib/kat/node.json");
      match(await machine.read(...uninstall), /is not installed$/);

      const path = `/etc/systemd/system/${UNIT}`;
      await machine.read("sh", "-c", `echo '[Service]' >${path}`);
      const refused = await machine.run(...uninstall);
      strictEqual(refused.code, 1);
      match(refused.stderr, /kat-agent did not make it/);
      await machine.read("test", "-f", path);
    },
  );
});
