import {
  deepStrictEqual,
  match,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { COMMANDS } from "../../src/cli/cli.ts";
import { platformOf } from "../../src/etcd/release/etcd_release.ts";
import {
  agentCommand,
  type AgentProcess,
  runAgent,
  startAgent,
} from "../machine/agent_process.ts";
import {
  type ClusterFile,
  initArgs,
  writeClusterFile,
} from "../machine/cluster_file.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { etcdArchive } from "../fakes/etcd_archive.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import { tempDir } from "../machine/temp_dir.ts";

/** A node that leads, for commands to read from. */
async function startNode(dir: string): Promise<{
  readonly agent: AgentProcess;
  readonly file: ClusterFile;
  readonly data: string;
  readonly endpoint: string;
}> {
  const file = await writeClusterFile(dir);
  const data = `${dir}/data`;
  const agent = startAgent(initArgs(file, data));
  await agent.logged("Became leader: n1");
  return { agent, file, data, endpoint: `http://127.0.0.1:${file.clientPort}` };
}

Deno.test("version and help print to stdout and end with 0", async () => {
  const version = await runAgent(["version"]);
  strictEqual(version.code, 0);
  match(
    version.stdout,
    /^kat-agent \d+\.\d+\.\d+ \(etcd 3\.6\.14, Deno .*\)\n$/,
  );
  const help = await runAgent(["help"]);
  strictEqual(help.code, 0);
  for (const { name } of COMMANDS) {
    match(help.stdout, new RegExp(`^  ${name} `, "m"));
  }
});

Deno.test("help of every command shows its examples", async () => {
  for (const { name, examples } of COMMANDS) {
    const { code, stdout } = await runAgent(["help", name]);
    strictEqual(code, 0);
    const [first = ""] = examples;
    strictEqual(stdout.includes(first), true, `${name}:\n${stdout}`);
  }
});

Deno.test("status tells of a node that leads, as text and as JSON", async () => {
  await using dir = await tempDir();
  const { agent, data, endpoint } = await startNode(dir.path);
  await using _agent = agent;
  const uid = await etcdctl(
    endpoint,
    "get",
    "--print-value-only",
    "/kat/config/cluster_uid",
  );

  const text = await runAgent(["status", `--data-dir=${data}`]);
  const json = await runAgent(["status", "--json", `--endpoints=${endpoint}`]);

  strictEqual(text.code, 0, text.stderr);
  match(text.stdout, new RegExp(`^cluster +${uid}$`, "m"));
  match(text.stdout, /^leader +n1$/m);
  match(text.stdout, /^n1 +http:.* healthy, etcd's leader$/m);
  strictEqual(json.code, 0, json.stderr);
  const status = JSON.parse(json.stdout);
  strictEqual(status.clusterUid, uid);
  strictEqual(status.leader, "n1");
  match(status.fence, /^\d+$/);
  strictEqual(status.members.length, 1);
  deepStrictEqual(status.problems, []);
});

Deno.test("status names an alarm of etcd and what to do about it", async () => {
  await using etcd = await startTestEtcd(["--quota-backend-bytes=1000000"]);
  const value = "x".repeat(100_000);
  await rejects(async () => {
    for (let n = 0; n < 100; n++) await etcd.ctl("put", `/a${n}`, value);
  }, /database space exceeded/);

  const { code, stdout } = await runAgent([
    "status",
    `--endpoints=${etcd.endpoint}`,
  ]);

  strictEqual(code, 1);
  match(stdout, /^! Member "test" at .* reports ".*NOSPACE.*quota/m);
});

Deno.test("status of a node that is stopped says what to do and ends with 1", async () => {
  await using dir = await tempDir();
  const { agent, data } = await startNode(dir.path);
  await agent.stop();

  const { code, stdout } = await runAgent(["status", `--data-dir=${data}`]);

  strictEqual(code, 1);
  match(stdout, /^! The store does not answer .*agents run/m);
});

Deno.test("store get, list and watch show what is there", async () => {
  await using dir = await tempDir();
  const { agent, data, endpoint } = await startNode(dir.path);
  await using _agent = agent;
  await etcdctl(endpoint, "put", "/kat/workloads/a", "line\nbreak");

  const get = await runAgent([
    "store",
    "get",
    "/kat/workloads/a",
    `--data-dir=${data}`,
  ]);
  const list = await runAgent([
    "store",
    "list",
    "/kat/workloads/",
    `--endpoints=${endpoint}`,
  ]);
  const missing = await runAgent([
    "store",
    "get",
    "/kat/none",
    `--endpoints=${endpoint}`,
  ]);

  deepStrictEqual([get.code, get.stdout], [0, "line\nbreak"]);
  match(list.stdout, /^\d+\t"\/kat\/workloads\/a"\t"line\\nbreak"\n$/);
  strictEqual(missing.code, 1);
  match(missing.stderr, /Cannot find "\/kat\/none"/);

  const [command, args] = agentCommand([
    "store",
    "watch",
    "/kat/workloads/",
    `--endpoints=${endpoint}`,
  ]);
  const watch = new Deno.Command(command, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  // A watch from now sees only what comes later: write until the first is seen.
  let seen = false;
  const writing = (async () => {
    for (let n = 0; !seen; n++) {
      await etcdctl(endpoint, "put", "/kat/workloads/b", `${n}`);
    }
  })();
  let text = "";
  for await (
    const chunk of watch.stdout.pipeThrough(new TextDecoderStream())
  ) {
    text += chunk;
    if (!seen && text.includes("\n")) {
      seen = true;
      watch.kill("SIGTERM");
    }
  }
  await writing;
  match(text, /^put\t\d+\t"\/kat\/workloads\/b"\t"\d+"\n/);
  strictEqual((await watch.status).code, 0);
});

Deno.test("config validate and config show read a file and do nothing else", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const valid = await runAgent(["config", "validate", file.path]);
  const shown = await runAgent(["config", "show", file.path]);

  deepStrictEqual([valid.code, shown.code], [0, 0]);
  match(valid.stdout, /is valid: cluster "test"/);
  match(shown.stdout, /backupIntervalMinutes: 30/);
  await Deno.writeTextFile(`${dir.path}/shown.kat`, shown.stdout);
  const again = await runAgent(["config", "show", `${dir.path}/shown.kat`]);
  strictEqual(again.stdout, shown.stdout);
});

Deno.test("etcd fetch gets etcd from a mirror, and init then runs it without a network", async () => {
  await using dir = await tempDir();
  // The programs under test, packed as a release.
  const archive = etcdArchive({
    etcd: await Deno.readFile(etcdBinaries.etcd),
    platform: platformOf(Deno.build.os, Deno.build.arch),
  });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) =>
      new URL(request.url).pathname === archive.path
        ? new Response(archive.bytes.slice())
        : new Response("not here", { status: 404 }),
  );
  const file = await writeClusterFile(dir.path);
  const etcd = [
    "  etcd:",
    `    mirror: http://127.0.0.1:${server.addr.port}`,
    `    sha256: ${archive.release.sha256}`,
    "",
  ];
  const text = await Deno.readTextFile(file.path);
  await Deno.writeTextFile(file.path, text + etcd.join("\n"));
  const cache = `${dir.path}/cache`;

  const fetched = await runAgent([
    "etcd",
    "fetch",
    `--config=${file.path}`,
    `--cache-dir=${cache}`,
  ]);
  await server.shutdown();

  strictEqual(fetched.code, 0, fetched.stderr);
  const path = fetched.stdout.trim();
  strictEqual(path.startsWith(`${cache}/`), true);
  deepStrictEqual(
    await Deno.readFile(path),
    await Deno.readFile(etcdBinaries.etcd),
  );
  await using agent = startAgent([
    "init",
    `--config=${file.path}`,
    `--cache-dir=${cache}`,
    `--data-dir=${dir.path}/data`,
    "--node-name=n1",
  ], { env: { KAT_ETCD_BINARY: "" } });
  const started = await agent.logged("etcd started");
  await agent.logged("Became leader: n1");
  strictEqual(
    await Deno.readLink(`/proc/${started.fields.pid}/exe`),
    await Deno.realPath(path),
  );
});

Deno.test("completion bash completes commands", async () => {
  await using dir = await tempDir();
  const [command, args] = agentCommand([]);
  const words = [command, ...args].map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(
    `${dir.path}/kat-agent`,
    `#!/bin/sh\nexec ${words} "$@"\n`,
    { mode: 0o755 },
  );
  const { code, stdout } = await runAgent(["completion", "bash"]);
  strictEqual(code, 0);
  await Deno.writeTextFile(`${dir.path}/completion.bash`, stdout);

  const bash = await new Deno.Command("bash", {
    args: [
      "-c",
      `source completion.bash
       COMP_WORDS=(kat-agent in) COMP_CWORD=1
       "$(complete -p kat-agent | sed -E 's/.*-F ([^ ]+).*/\\1/')"
       echo "$COMPREPLY"`,
    ],
    cwd: dir.path,
    env: { PATH: `${dir.path}:${Deno.env.get("PATH")}`, NO_COLOR: "1" },
  }).output();

  strictEqual(new TextDecoder().decode(bash.stdout).trim(), "init");
});

Deno.test("completion prints scripts for zsh and fish", async () => {
  for (const shell of ["zsh", "fish"]) {
    const { code, stdout } = await runAgent(["completion", shell]);
    strictEqual(code, 0);
    match(stdout, /kat-agent/);
  }
  // zsh's script parts what it is told at NUL.
  const { stdout } = await runAgent(["completion", "zsh", "init", "--"]);
  match(
    stdout,
    /^--config\0The cluster's configuration, cluster\.kat\. .*\0$/m,
  );
  const { code } = await runAgent(["completion", "tcsh"]);
  strictEqual(code, 2);
});
