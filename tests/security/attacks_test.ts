import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  type AgentProcess,
  runAgent,
  startAgent,
} from "../machine/agent_process.ts";
import {
  type ClusterFile,
  initArgs,
  writeClusterFile,
} from "../machine/cluster_file.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { listenersOf } from "../machine/listeners.ts";
import {
  networkPair,
  whyNoNetworkPair,
} from "../machine/network_namespaces.ts";
import {
  type RawAnswer,
  type RawRequest,
  sendRaw,
} from "../programs/raw_request.ts";
import { startRawHttpServer } from "../fakes/raw_http_server.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { outputOf } from "../machine/command_output.ts";

const RAW_REQUEST = fileURLToPath(
  new URL("../programs/raw_request.ts", import.meta.url),
);

/** A request that any web page open on the machine, or any client of the port, can send. */
interface Attack {
  /** What it is to do. */
  readonly name: string;
  /** The path. */
  readonly path: string;
  /** The method. @default {"POST"} */
  readonly method?: string;
  /** The body, JSON whatever its type says. */
  readonly body?: unknown;
}

const KEY = btoa("/kat/schema_version");
const ALL = { key: btoa("\0"), range_end: btoa("\0") };

/** On etcd's gateway, which takes `text/plain`, and so needs no consent of a browser. */
const GATEWAY_ATTACKS: readonly Attack[] = [
  { name: "reads every key", path: "/v3/kv/range", body: ALL },
  {
    name: "writes a key",
    path: "/v3/kv/put",
    body: { key: KEY, value: btoa("2") },
  },
  { name: "deletes every key", path: "/v3/kv/deleterange", body: ALL },
  {
    name: "writes in a transaction",
    path: "/v3/kv/txn",
    body: { success: [{ request_put: { key: KEY, value: btoa("2") } }] },
  },
  { name: "compacts", path: "/v3/kv/compaction", body: { revision: "3" } },
  { name: "watches", path: "/v3/watch", body: { create_request: ALL } },
  { name: "lists the leases", path: "/v3/lease/leases", body: {} },
  { name: "grants a lease", path: "/v3/lease/grant", body: { TTL: "1" } },
  { name: "revokes a lease", path: "/v3/lease/revoke", body: { ID: "1" } },
  { name: "revokes it as of old", path: "/v3/kv/lease/revoke", body: {} },
  {
    name: "raises NOSPACE",
    path: "/v3/maintenance/alarm",
    body: { action: "ACTIVATE", alarm: "NOSPACE" },
  },
  { name: "takes a snapshot", path: "/v3/maintenance/snapshot", body: {} },
  { name: "defragments", path: "/v3/maintenance/defragment", body: {} },
  {
    name: "moves etcd's leader",
    path: "/v3/maintenance/transfer-leadership",
    body: { targetID: "1" },
  },
  {
    name: "adds a voter",
    path: "/v3/cluster/member/add",
    body: { peerURLs: ["http://192.0.2.1:2380"] },
  },
  {
    name: "makes a user",
    path: "/v3/auth/user/add",
    body: { name: "root", password: "root" },
  },
  { name: "turns authentication on", path: "/v3/auth/enable", body: {} },
  { name: "campaigns", path: "/v3/election/campaign", body: {} },
  { name: "writes by the beta gateway", path: "/v3beta/kv/put", body: {} },
  { name: "writes by the alpha gateway", path: "/v3alpha/kv/put", body: {} },
  { name: "calls gRPC without HTTP/2", path: "/etcdserverpb.KV/Put" },
  { name: "writes by the API of etcd 2", path: "/v2/keys/a?value=b" },
  { name: "adds a member by it", path: "/v2/members", body: {} },
  { name: "reads a profile", path: "/debug/pprof/heap", method: "GET" },
  { name: "reads traces", path: "/debug/requests", method: "GET" },
];

/** How a page of evil.example can look to the port at `host`. */
function disguises(host: string): readonly Record<string, string>[] {
  const evil = "http://evil.example";
  const type = { "Content-Type": "text/plain" };
  return [
    // A name of the page that resolves to this machine: page and port have one origin.
    { Host: "evil.example", Origin: evil, ...type },
    { Host: "localhost.evil.example:2379", ...type },
    // The address itself, from another origin.
    { Host: host, Origin: evil, Referer: `${evil}/page`, ...type },
    { Host: host, Origin: "null", ...type },
    { Host: host, ...type },
  ];
}

function requestsOf(
  attack: Attack,
  { hostname, port }: { readonly hostname: string; readonly port: number },
): RawRequest[] {
  const { path, method = "POST", body } = attack;
  return disguises(`${hostname}:${port}`).map((headers) => ({
    hostname,
    port,
    method,
    path,
    headers,
    body: body === undefined ? "" : JSON.stringify(body),
  }));
}

/** No answer may tell a browser that another origin's page may read it. */
function assertUnreadable({ headers }: RawAnswer, what: string): void {
  const allows = Object.keys(headers)
    .filter((name) => name.startsWith("access-control-"));
  deepStrictEqual(allows, [], what);
}

/** All that an attack on etcd could change. */
async function stateOf(endpoint: string): Promise<unknown> {
  const ask = (...args: string[]) => etcdctl(endpoint, ...args);
  const { kvs } = JSON.parse(await ask("get", "--prefix", "", "-w=json"));
  const { members } = JSON.parse(await ask("member", "list", "-w=json"));
  return {
    kvs,
    members,
    leases: await ask("lease", "list"),
    alarms: await ask("alarm", "list"),
    auth: (await ask("auth", "status")).split("\n")[0],
  };
}

/** A node that leads. */
async function startLeader(
  dir: string,
  options: Parameters<typeof startAgent>[1] = {},
): Promise<{ readonly agent: AgentProcess; readonly file: ClusterFile }> {
  const file = await writeClusterFile(dir);
  const agent = startAgent(initArgs(file, `${dir}/data`), options);
  try {
    await agent.logged("Became leader: n1");
    // After which the agent itself writes nothing more.
    await agent.logged("Updated the timing of the cluster");
    return { agent, file };
  } catch (error) {
    await agent[Symbol.asyncDispose]();
    throw error;
  }
}

async function etcdPid(agent: AgentProcess): Promise<number> {
  return Number((await agent.logged("etcd started")).fields.pid);
}

Deno.test("a web page neither reads nor changes anything through a running agent's etcd", async () => {
  await using dir = await tempDir();
  const { agent, file } = await startLeader(dir.path);
  await using _agent = agent;
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  const at = { hostname: "127.0.0.1", port: file.clientPort };
  const before = await stateOf(endpoint);

  for (const attack of GATEWAY_ATTACKS) {
    for (const request of requestsOf(attack, at)) {
      const answer = await sendRaw(request);
      const what = `${attack.name}: ${JSON.stringify(request.headers)}`;
      const isForeign = request.headers.Host?.includes("evil") === true;
      strictEqual(answer.status, isForeign ? 421 : 404, what);
      assertUnreadable(answer, what);
    }
  }
  // What etcd tells of itself reaches only clients that use the address itself.
  for (const path of ["/version", "/health", "/metrics", "/debug/vars"]) {
    for (const request of requestsOf({ name: "", path, method: "GET" }, at)) {
      const answer = await sendRaw(request);
      const isForeign = request.headers.Host?.includes("evil") === true;
      strictEqual(answer.status, isForeign ? 421 : 200, path);
      assertUnreadable(answer, path);
    }
  }
  for (const origin of ["http://evil.example", "null"]) {
    const answer = await sendRaw({
      ...at,
      method: "OPTIONS",
      path: "/v3/kv/put",
      headers: {
        Host: `127.0.0.1:${file.clientPort}`,
        Origin: origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
        "Access-Control-Request-Private-Network": "true",
      },
    });
    assertUnreadable(answer, `a browser asks for consent for ${origin}`);
  }

  deepStrictEqual(await stateOf(endpoint), before);
  ok(!agent.lines.some(({ message }) => message.startsWith("Lost leadership")));
});

/** On the port for peers, which does not look at Host. */
const PEER_ATTACKS: readonly Attack[] = [
  { name: "sends a raft message", path: "/raft" },
  { name: "opens a raft stream", path: "/raft/stream/msgapp/1", method: "GET" },
  { name: "sends a snapshot", path: "/raft/snapshot" },
  { name: "promotes a member", path: "/members/promote/1" },
  { name: "adds a member", path: "/members", body: {} },
  { name: "renews a lease", path: "/leases" },
  { name: "writes by the gateway", path: "/v3/kv/put", body: {} },
  { name: "reads every key", path: "/v3/kv/range", body: ALL },
  { name: "reads a profile", path: "/debug/pprof/heap", method: "GET" },
  { name: "reads its variables", path: "/debug/vars", method: "GET" },
];

Deno.test("a web page changes nothing through the port for peers, and reads nothing of another origin", async () => {
  await using dir = await tempDir();
  const { agent, file } = await startLeader(dir.path);
  await using _agent = agent;
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  const at = { hostname: "127.0.0.1", port: file.peerPort };
  const before = await stateOf(endpoint);

  for (const attack of PEER_ATTACKS) {
    for (const request of requestsOf(attack, at)) {
      const answer = await sendRaw(request);
      const { status = 0 } = answer;
      ok(status >= 400, `${attack.name}: ${status} ${answer.text}`);
      assertUnreadable(answer, attack.name);
    }
  }
  for (const path of ["/version", "/members"]) {
    for (const request of requestsOf({ name: "", path, method: "GET" }, at)) {
      assertUnreadable(await sendRaw(request), path);
    }
  }

  deepStrictEqual(await stateOf(endpoint), before);
});

Deno.test(
  "a running node listens where its configuration says and nowhere else",
  {
    ignore: Deno.build.os !== "linux",
  },
  async () => {
    await using dir = await tempDir();
    const { agent, file } = await startLeader(dir.path);
    await using _agent = agent;

    deepStrictEqual(
      await listenersOf(await etcdPid(agent)),
      [`127.0.0.1:${file.clientPort}`, `127.0.0.1:${file.peerPort}`].sort(),
    );
    deepStrictEqual(await listenersOf(agent.pid), []);
  },
);

const noPair = await whyNoNetworkPair();
if (noPair !== undefined) {
  const text =
    `\n*** NOT TESTED: attacks from the network, because ${noPair}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** Sends all requests from where the prefix leads to. */
async function sendFrom(
  prefix: readonly string[],
  requests: readonly RawRequest[],
): Promise<RawAnswer[]> {
  const [command = "", ...args] = [
    ...prefix,
    ...[Deno.execPath(), "run", "--no-config", "--allow-net", RAW_REQUEST],
    JSON.stringify(requests),
  ];
  const { stdout, stderr } = await outputOf(
    new Deno.Command(command, { args, stdin: "null" }),
  );
  ok(stdout !== "", stderr);
  return JSON.parse(stdout);
}

Deno.test("a node on loopback cannot be reached from the network at all", {
  ignore: noPair !== undefined,
}, async () => {
  await using pair = await networkPair();
  await using dir = await tempDir();
  const { agent, file } = await startLeader(dir.path, {
    prefix: pair.here.prefix,
  });
  await using _agent = agent;
  const ports = [file.clientPort, file.peerPort];
  const attack = { name: "", path: "/version", method: "GET" };
  const requests = [...pair.here.addresses, "127.0.0.1"].flatMap((hostname) =>
    ports.flatMap((port) => requestsOf(attack, { hostname, port }))
  );

  const answers = await sendFrom(pair.there.prefix, requests);

  strictEqual(answers.length, requests.length);
  for (const { status, text } of answers) {
    strictEqual(status, undefined);
    match(text, /refused/);
  }
  // The cable works: a listener on it is reached.
  const [own] = await sendFrom(pair.here.prefix, requests.slice(-1));
  strictEqual(own?.status, 200);
});

Deno.test(
  "a node on the network listens on its address and on loopback, and takes gRPC only",
  {
    ignore: noPair !== undefined,
  },
  async () => {
    await using pair = await networkPair();
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    const [address, other] = pair.here.addresses;
    await using agent = startAgent([
      ...initArgs(file, `${dir.path}/data`),
      `--advertise-address=${address}`,
    ], { prefix: pair.here.prefix });
    await agent.logged("Became leader: n1");
    const { clientPort, peerPort } = file;

    deepStrictEqual(
      await listenersOf(await etcdPid(agent)),
      [
        `${address}:${clientPort}`,
        `127.0.0.1:${clientPort}`,
        `${address}:${peerPort}`,
      ].sort(),
    );
    deepStrictEqual(await listenersOf(agent.pid), []);
    const elsewhere = [clientPort, peerPort].flatMap((port) =>
      requestsOf({ name: "", path: "/version", method: "GET" }, {
        hostname: other,
        port,
      })
    );
    for (const { text } of await sendFrom(pair.there.prefix, elsewhere)) {
      match(text, /refused/);
    }
    const attacks = GATEWAY_ATTACKS.flatMap((attack) =>
      requestsOf(attack, { hostname: address, port: clientPort })
    );
    const answers = await sendFrom(pair.there.prefix, attacks);
    for (const [index, answer] of answers.entries()) {
      const { headers, path = "" }: Partial<RawRequest> = attacks[index] ?? {};
      const isForeign = headers?.Host?.includes("evil") === true;
      strictEqual(answer.status, isForeign ? 421 : 404, path);
      assertUnreadable(answer, path);
    }
    // The agent warns of what every client of the address may do.
    ok(
      agent.lines.some(({ level, message }) =>
        level === "warning" &&
        message.includes("without encryption or password")
      ),
    );
  },
);

/** Every name below `path` with its mode, what changes while it is looked at left out. */
async function modesBelow(path: string): Promise<Map<string, string>> {
  const modes = new Map<string, string>();
  async function look(at: string): Promise<void> {
    const info = await Deno.lstat(at).catch(() => undefined);
    if (info === undefined) return;
    const kind = info.isDirectory ? "directory" : "file";
    modes.set(at, `${kind} ${((info.mode ?? 0) & 0o7777).toString(8)}`);
    if (!info.isDirectory) return;
    for await (const { name } of Deno.readDir(at)) await look(`${at}/${name}`);
  }
  await look(path);
  return modes;
}

async function assertClosed(data: string): Promise<void> {
  const modes = await modesBelow(data);
  ok(modes.size > 8, [...modes.keys()].join("\n"));
  for (const [path, mode] of modes) {
    match(mode, /^(directory 700|file 600)$/, path);
  }
}

for (const umask of ["000", "077", "777"]) {
  Deno.test(
    `a node's files are its own from the first moment under umask ${umask}`,
    {
      ignore: Deno.build.os === "windows",
    },
    async () => {
      await using dir = await tempDir();
      const data = `${dir.path}/data`;
      const file = await writeClusterFile(dir.path);
      await using agent = startAgent(initArgs(file, data), {
        prefix: ["/bin/sh", "-c", `umask ${umask}; exec "$@"`, "sh"],
      });
      await agent.logged("Became leader: n1");

      await assertClosed(data);
      if (Deno.build.os === "linux") {
        // Files that etcd makes later are never open for a moment, either.
        const status = await Deno.readTextFile(
          `/proc/${await etcdPid(agent)}/status`,
        );
        strictEqual(/^Umask:\s+(\d+)$/m.exec(status)?.[1], "0077");
      }
      strictEqual((await agent.stop()).code, 0);
      await assertClosed(data);
    },
  );
}

const PASSWORD = "s3cret-pa55word";

Deno.test("a proxy's password is in no log, no file and no other process, and the store is not asked through it", async () => {
  await using dir = await tempDir();
  await using proxy = startRawHttpServer((_, { send }) =>
    send("502 Bad Gateway")
  );
  const { port } = new URL(proxy.url);
  const url = `http://name:${PASSWORD}@127.0.0.1:${port}`;
  const names = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "GRPC_PROXY"];
  const env = Object.fromEntries(
    [...names, ...names.map((name) => name.toLowerCase())]
      .map((name) => [name, url]),
  );
  const { agent } = await startLeader(dir.path, {
    // Deno itself, when it runs the source, checks for updates.
    env: { ...env, KAT_LOG_LEVEL: "debug", DENO_NO_UPDATE_CHECK: "1" },
  });
  await using _agent = agent;
  const pid = await etcdPid(agent);
  if (Deno.build.os === "linux") {
    for (const name of ["cmdline", "environ"]) {
      const text = await Deno.readTextFile(`/proc/${pid}/${name}`);
      ok(!text.includes(PASSWORD) && !text.includes("PROXY"), text);
    }
    const line = await Deno.readTextFile(`/proc/${agent.pid}/cmdline`);
    ok(!line.includes(PASSWORD));
  }
  const { stderr } = await agent.stop();

  ok(!stderr.includes(PASSWORD), stderr);
  deepStrictEqual(proxy.requests, []);
  for (const [path, mode] of await modesBelow(`${dir.path}/data`)) {
    if (!mode.startsWith("file")) continue;
    const bytes = await Deno.readFile(path);
    ok(!new TextDecoder("latin1").decode(bytes).includes(PASSWORD), path);
  }
});

for (
  const [what, args, env, code] of [
    [
      "an endpoint",
      () => ["run", `--endpoints=http://name:${PASSWORD}@127.0.0.1:1`],
      {},
      2,
    ],
    [
      "an initial member",
      (path: string) => [
        "init",
        `--config=${path}/cluster.kat`,
        `--data-dir=${path}/data`,
        `--initial-cluster=n1=http://name:${PASSWORD}@127.0.0.1:1`,
      ],
      {},
      2,
    ],
    [
      "a mirror",
      (path: string) => ["config", "validate", `${path}/mirror.kat`],
      {},
      78,
    ],
    [
      "a proxy that is down",
      (path: string) => [
        "etcd",
        "fetch",
        `--config=${path}/cluster.kat`,
        `--cache-dir=${path}/cache`,
      ],
      {
        HTTPS_PROXY: `http://name:${PASSWORD}@127.0.0.1:9`,
        KAT_LOG_LEVEL: "debug",
      },
      1,
    ],
  ] as const
) {
  Deno.test(`kat-agent does not repeat the password of ${what}`, async () => {
    await using dir = await tempDir();
    await writeClusterFile(dir.path);
    await writeClusterFile(dir.path, { name: "mirror.kat" });
    await Deno.writeTextFile(
      `${dir.path}/mirror.kat`,
      `  etcd: {mirror: "http://name:${PASSWORD}@127.0.0.1:1"}\n`,
      { append: true },
    );

    const result = await runAgent(args(dir.path), { env });

    strictEqual(result.code, code, result.stderr);
    match(result.stderr, /^kat-agent: /m);
    ok(!`${result.stdout}${result.stderr}`.includes(PASSWORD), result.stderr);
  });
}
