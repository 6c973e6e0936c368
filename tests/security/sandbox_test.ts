import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { memberPermissions } from "../../src/agent/parts/member_part.ts";
import { storePermissions } from "../../src/agent/parts/store_part.ts";
import {
  type Permissions,
  SandboxedWorker,
} from "../../src/base/worker/sandboxed_worker.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import type { Probe } from "../programs/probe.ts";
import type { ProbeMethods } from "../programs/probe_worker.ts";
import { tempDir } from "../machine/temp_dir.ts";

const REFUSED = "NotCapable";
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What is refused everywhere in the agent. */
const NOWHERE: readonly Probe[] = [
  { kind: "read", path: "/etc/passwd" },
  { kind: "read", path: "/proc/self/environ" },
  { kind: "write", path: "/etc/kat-agent-was-here" },
  { kind: "listen" },
  { kind: "run", program: "/bin/sh" },
  { kind: "variable", name: "HOME" },
  { kind: "variable", name: "HTTPS_PROXY" },
  { kind: "hostname" },
  { kind: "signal", pid: 1 },
  { kind: "library", path: "/lib/x86_64-linux-gnu/libc.so.6" },
  { kind: "import", url: "https://deno.land/std/version.ts" },
];

/** Tries things in a Worker with these permissions: the name of the error of each, or `done`. */
async function tryInWorker(
  permissions: Permissions,
  probes: readonly Probe[],
): Promise<readonly (readonly [Probe, string])[]> {
  using worker = SandboxedWorker.start<ProbeMethods>({
    module: new URL("../programs/probe_worker.ts", import.meta.url),
    permissions,
  });
  return await Promise.all(
    probes.map(async (probe) =>
      [probe, await worker.remote.probe(probe)] as const
    ),
  );
}

function expectAll(
  results: readonly (readonly [Probe, string])[],
  result: string,
): void {
  deepStrictEqual(results, results.map(([probe]) => [probe, result]));
}

/** Something to connect to. */
function server(): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port: 0 });
}

function portOf({ addr }: Deno.TcpListener): number {
  return addr.port;
}

Deno.test("the store's thread reaches the members of its cluster, and has no files and no programs", async () => {
  await using dir = await tempDir();
  using own = server();
  using peer = server();
  using other = server();
  const permissions = storePermissions({
    endpoints: [`http://127.0.0.1:${portOf(own)}`],
    members: [{ name: "n2", peerUrl: `http://127.0.0.1:${portOf(peer)}` }],
  });
  expectAll(
    await tryInWorker(permissions, [
      { kind: "connect", port: portOf(own) },
      { kind: "connect", port: portOf(peer) },
    ]),
    "done",
  );
  expectAll(
    await tryInWorker(permissions, [
      ...NOWHERE,
      { kind: "connect", port: portOf(other) },
      { kind: "read", path: dir.path },
      { kind: "write", path: `${dir.path}/file` },
      { kind: "read", path: `${dir.path}/node.json` },
      { kind: "read", path: etcdBinaries.etcd },
      { kind: "run", program: etcdBinaries.etcd },
      { kind: "variable", name: "NODE_V8_COVERAGE" },
    ]),
    REFUSED,
  );
});

Deno.test("storePermissions() names each port, even the one that URLs do not keep", () => {
  const { net } = storePermissions({
    endpoints: ["http://10.0.0.1:80", "http://[fd00::1]:80"],
    members: [{ name: "n2", peerUrl: "http://etcd-2.example:2380" }],
  });
  deepStrictEqual(net, ["10.0.0.1:80", "[fd00::1]:80", "etcd-2.example:2380"]);
});

Deno.test("the member's thread has the data directory and one program, and connects nowhere", async () => {
  await using dir = await tempDir();
  using member = server();
  const dataDir = `${dir.path}/data`;
  await Deno.mkdir(dataDir);
  const permissions = memberPermissions({
    dataDir,
    binary: etcdBinaries.etcd,
  });
  expectAll(
    await tryInWorker(permissions, [
      { kind: "write", path: `${dataDir}/file` },
      { kind: "run", program: etcdBinaries.etcd },
    ]),
    "done",
  );
  expectAll(
    await tryInWorker(permissions, [
      ...NOWHERE,
      { kind: "write", path: `${dir.path}/beside` },
      { kind: "write", path: `${dataDir}/../beside` },
      { kind: "write", path: `${dataDir}-beside` },
      { kind: "read", path: `${dir.path}/beside` },
      { kind: "write", path: etcdBinaries.etcd },
      { kind: "run", program: "/bin/true" },
      // Its own etcd's port would be such a one.
      { kind: "connect", port: portOf(member) },
      { kind: "fetch", url: `http://127.0.0.1:${portOf(member)}/health` },
      { kind: "datagram" },
    ]),
    REFUSED,
  );
  deepStrictEqual(
    (await Array.fromAsync(Deno.readDir(dir.path))).map(({ name }) => name),
    ["data"],
  );
});

/** Runs a program that drops its rights: what becomes of each thing that it then tries. */
async function tryDropped(
  sockets: readonly string[],
  probes: readonly Probe[],
  { keep, afterwards = [] }: {
    readonly keep?: readonly "run"[];
    readonly afterwards?: readonly Probe[];
  } = {},
): Promise<readonly (readonly [Probe, string])[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--frozen",
      "--no-prompt",
      `--config=${ROOT}deno.json`,
      "-P=agent",
      `${ROOT}tests/programs/dropped_rights.ts`,
      JSON.stringify({ sockets, probes, keep, afterwards }),
    ],
  }).output();
  const text = new TextDecoder();
  strictEqual(code, 0, text.decode(stderr));
  const results: string[] = JSON.parse(text.decode(stdout));
  return [...probes, ...afterwards].map((
    probe,
    index,
  ) => [probe, results[index] ?? ""]);
}

Deno.test("dropPermissions() leaves the main thread nothing", async () => {
  await using dir = await tempDir();
  using other = server();
  const results = await tryDropped([], [
    ...NOWHERE,
    { kind: "read", path: dir.path },
    { kind: "write", path: `${dir.path}/file` },
    { kind: "run", program: etcdBinaries.etcd },
    { kind: "connect", port: portOf(other) },
    { kind: "variable", name: "KAT_DATA_DIR" },
    { kind: "variable", name: "NOTIFY_SOCKET" },
  ]);
  expectAll(results, REFUSED);
});

Deno.test("dropPermissions() leaves a service of systemd its sockets and the network, and nothing else", async () => {
  await using dir = await tempDir();
  const socket = `${dir.path}/notify`;
  expectAll(
    await tryDropped([socket], [{ kind: "write", path: socket }]),
    "done",
  );
  const results = await tryDropped([socket], [
    ...NOWHERE.filter(({ kind }) => kind !== "listen"),
    { kind: "read", path: dir.path },
    { kind: "write", path: `${dir.path}/file` },
    { kind: "run", program: etcdBinaries.etcd },
    { kind: "variable", name: "NOTIFY_SOCKET" },
  ]);
  expectAll(results, REFUSED);
});

Deno.test("dropPermissions() keeps the right to signal an adopted etcd, and gives it up later", async () => {
  await using dir = await tempDir();
  const { pid } = Deno;
  const signal: Probe = { kind: "signal", pid };
  const refused: readonly Probe[] = [
    { kind: "read", path: dir.path },
    { kind: "write", path: `${dir.path}/file` },
    { kind: "variable", name: "HOME" },
    { kind: "hostname" },
    { kind: "listen" },
  ];

  const results = await tryDropped([], [signal, ...refused], {
    keep: ["run"],
    afterwards: [signal, ...refused, { kind: "run", program: "/bin/sh" }],
  });

  deepStrictEqual(results[0], [signal, "done"]);
  expectAll(results.slice(1), REFUSED);
});

Deno.test("the permission set of the product names the variables that it reads, and is not general", async () => {
  const { VARIABLES } = await import("../../src/cli/process_context.ts");
  const manifest = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const { agent } = manifest.permissions;
  deepStrictEqual(
    [...agent.env].sort(),
    // The last is asked for by Deno's own node:child_process.
    [...VARIABLES, "NODE_V8_COVERAGE"].sort(),
  );
  deepStrictEqual({ ...agent, env: [] }, {
    env: [],
    ffi: false,
    import: false,
    net: true,
    read: ["/"],
    run: true,
    sys: [
      "hostname",
      "networkInterfaces",
      "osUptime",
      "statfs",
      "uid",
      "umask",
    ],
    write: ["/"],
  });
});
