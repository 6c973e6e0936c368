import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { EtcdProcessOptions } from "../../src/etcd/process/etcd_process.ts";
import { findProcess, HAS_PROC } from "../../src/base/process_table.ts";
import { startKeeper } from "../machine/keeper.ts";
import { testMember } from "../machine/test_member.ts";
import { outputOf } from "../machine/command_output.ts";

/** Runs a program of `programs/` with these permissions and returns what it prints. */
async function runConfined(
  program: string,
  { options, permissions }: {
    readonly options: EtcdProcessOptions;
    readonly permissions: readonly string[];
  },
) {
  const path = fileURLToPath(
    new URL(`../programs/${program}`, import.meta.url),
  );
  const { code, stdout, stderr } = await outputOf(
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        ...permissions,
        path,
        JSON.stringify(options),
      ],
      stdin: "null",
    }),
  );
  strictEqual(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("startEtcd() needs to run etcd and to write its directory, nothing else", async () => {
  await using member = await testMember();
  const { options, dir, clientUrl } = member;

  const found = await runConfined("sandboxed_etcd.ts", {
    options,
    permissions: [
      `--allow-read=${dir}`,
      `--allow-write=${dir}`,
      `--allow-run=${options.binary}`,
      `--allow-net=${new URL(clientUrl).host}`,
      "--allow-env=NODE_V8_COVERAGE",
      // Files are believed that belong to this user.
      "--allow-sys=uid",
    ],
  });

  deepStrictEqual(found.states, ["serving", "exited"]);
  deepStrictEqual(found.exits, [
    { code: null, signal: "SIGTERM" },
    { code: null, signal: "SIGKILL" },
  ]);
  ok(found.isWritten, "the pid file names another process");
  for (const pid of found.pids) strictEqual(await findProcess(pid), undefined);
  strictEqual(found.openedProc, "NotCapable");
  strictEqual(found.killed, "NotCapable");
});

Deno.test("findOrphan() and endOrphan() need to run programs, and not to read /proc", async () => {
  await using member = await testMember();
  const { options, dir } = member;
  let etcdPid: number;
  {
    await using keeper = await startKeeper(options);
    ({ etcdPid } = keeper);
  }

  const found = await runConfined("sandboxed_start.ts", {
    options,
    permissions: [
      "--allow-read",
      `--allow-write=${dir}`,
      "--allow-run",
      "--allow-net",
      // Files are believed that belong to this user.
      "--allow-sys=uid",
    ],
  });

  const holder = HAS_PROC ? `process ${etcdPid} (etcd)` : undefined;
  const port = new URL(member.clientUrl).host;
  strictEqual(
    found.ports,
    `Cannot listen on ${port} for etcd's clients: the port is taken by ${
      holder ?? "another program"
    }`,
  );
  strictEqual(
    found.lock,
    `Cannot use the data directory "${options.member.dataDir}": ${
      holder ?? "another etcd"
    } uses it`,
  );
  strictEqual(found.orphan.pid, etcdPid);
  ok(found.orphan.args.includes("--name=n1"), String(found.orphan.args));
  strictEqual(found.unwritten?.pid, HAS_PROC ? etcdPid : undefined);
  deepStrictEqual(found.after, ["nothing", "nothing", "none"]);
  if (HAS_PROC) strictEqual(found.openedProc, "NotCapable");
  strictEqual(await findProcess(etcdPid), undefined);
});
