import { match, strictEqual } from "node:assert/strict";
import { runAgent } from "../../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../../machine/cluster_file.ts";
import { etcdBinaries } from "../../machine/tested_etcd.ts";
import { tempDir } from "../../machine/temp_dir.ts";

/** What the agent, or what starts it, could look up. */
const NAMES = [
  ...["sh", "ps", "lsof", "readlink", "cat", "id", "env", "ls", "kill"],
  ...["systemctl", "systemd-sysusers", "useradd", "getent"],
];

/** A directory for PATH whose programs say in a file that they ran. */
async function ownPrograms(dir: string) {
  const path = `${dir}/programs`;
  const marker = `${dir}/ran`;
  await Deno.mkdir(path);
  for (const name of NAMES) {
    await Deno.writeTextFile(
      `${path}/${name}`,
      `#!/bin/sh\necho ${name} >>'${marker}'\nPATH=/usr/sbin:/usr/bin:/sbin:/bin exec ${name} "$@"\n`,
    );
    await Deno.chmod(`${path}/${name}`, 0o755);
  }
  return {
    env: { PATH: `${path}:/usr/sbin:/usr/bin:/sbin:/bin` },
    ran: async () => {
      const text = await Deno.readTextFile(marker).catch(() => "");
      return [...new Set(text.split("\n").filter(Boolean))].sort().join(" ");
    },
  };
}

Deno.test("systemd install --dry-run runs no program of the caller's PATH", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using dir = await tempDir();
  const { path } = await writeClusterFile(dir.path);
  const { env, ran } = await ownPrograms(dir.path);

  const { code, stderr } = await runAgent([
    ...["systemd", "install", "--dry-run", "--node-name=n1"],
    ...[`--config=${path}`, "--exec=/usr/local/bin/kat-agent"],
    "--data-dir=/var/lib/kat",
  ], { env });

  // The file lies where a service would not see it; systemd is asked before or after.
  match(stderr, /Cannot make a service|^$|^Warning/);
  strictEqual(await ran(), "", `${code} ${stderr}`);
});

Deno.test(
  "init asks whose port and directory it is with no program of the caller's PATH",
  {
    ignore: Deno.build.os !== "linux",
  },
  async () => {
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    const { env, ran } = await ownPrograms(dir.path);
    using _taken = Deno.listen({
      hostname: "127.0.0.1",
      port: file.clientPort,
    });

    const { code, stderr } = await runAgent(
      initArgs(file, `${dir.path}/data`),
      { env: { ...env, KAT_ETCD_BINARY: etcdBinaries.etcd } },
    );

    match(stderr, new RegExp(`process ${Deno.pid}\\b`));
    strictEqual(code, 1);
    strictEqual(await ran(), "");
  },
);
