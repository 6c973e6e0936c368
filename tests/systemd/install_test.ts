import { match, strictEqual } from "node:assert/strict";
import { runAgent, sourceCommand } from "../machine/agent_process.ts";
import { writeClusterFile } from "../machine/cluster_file.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { outputOf } from "../machine/command_output.ts";

Deno.test("systemd install refuses to make a service of the source", async () => {
  await using dir = await tempDir();
  const { path } = await writeClusterFile(dir.path);
  const [command = "", ...args] = sourceCommand([
    "systemd",
    "install",
    `--config=${path}`,
    "--node-name=n1",
  ]);
  const { code, stdout, stderr } = await outputOf(
    new Deno.Command(command, { args }),
  );
  strictEqual(code, 1);
  strictEqual(stdout, "");
  match(
    stderr,
    /Cannot install a service: .* from its source\n.* --exec/,
  );
});

Deno.test("systemd install checks what init would refuse at each start", async () => {
  await using dir = await tempDir();
  const { path } = await writeClusterFile(dir.path);
  const wrong = await writeClusterFile(dir.path, {
    name: "wrong.kat",
    spec: { clusterCIDR: "nowhere" },
  });
  const install = (...args: string[]) =>
    runAgent(["systemd", "install", "--dry-run", "--node-name=n1", ...args]);

  const file = await install(`--config=${wrong.path}`);
  strictEqual(file.code, 78);
  match(file.stderr, /spec\.clusterCIDR/);
  const flags = await install(
    `--config=${path}`,
    "--initial-cluster=n2=http://10.0.0.2:2380",
  );
  strictEqual(flags.code, 2);
  match(flags.stderr, /Cannot find this node, "n1", in --initial-cluster/);
});

Deno.test("systemd install refuses a file that a service cannot see", async () => {
  await using dir = await tempDir();
  const { path } = await writeClusterFile(dir.path);
  const { code, stderr } = await runAgent([
    ...["systemd", "install", "--dry-run", "--node-name=n1"],
    `--config=${path}`,
    "--data-dir=/run/kat",
  ]);
  strictEqual(code, 1);
  match(stderr, /Cannot make a service that uses ".*": \/\w+ is emptied/);
});
