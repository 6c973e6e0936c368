import { match, ok, strictEqual } from "node:assert/strict";
import { platformOf } from "../../src/etcd/release/etcd_release.ts";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import {
  type BadInput,
  init,
  makeNode,
  type Place,
  testBadInputs,
} from "../cli/bad_input.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import {
  type EtcdArchive,
  etcdArchive,
  type EtcdArchiveOptions,
} from "../fakes/etcd_archive.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { processesNaming } from "../machine/processes.ts";
import {
  type RawHandler,
  startRawHttpServer,
} from "../fakes/raw_http_server.ts";
import { tempDir } from "../machine/temp_dir.ts";

const etcdAt = ({ dir }: Place) => `${dir}/etcd`;
const withEtcd = (place: Place) =>
  init(place, `--etcd-binary=${etcdAt(place)}`);

/** Puts a file in the place of etcd. */
function program(content: string | Uint8Array, mode = 0o755) {
  return async (place: Place) => {
    const path = etcdAt(place);
    await (typeof content === "string"
      ? Deno.writeTextFile(path, content)
      : Deno.writeFile(path, content));
    await Deno.chmod(path, mode);
  };
}

/** The first bytes of a program for a machine that does not exist. */
function foreignProgram(): Uint8Array {
  const header = new Uint8Array(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.set([2, 0, 0xff, 0x7f, 1], 16);
  return header;
}

const NO_PROGRAM: readonly BadInput[] = ([
  ["that is a directory", (p) => Deno.mkdir(etcdAt(p)), /etcd/],
  ["that may not be run", program("#!/bin/sh\n", 0o644), /not executable/],
  ["that is empty", program(""), /etcd/],
  ["that is text", program("hello\n"), /etcd/],
  ["for another kind of machine", program(foreignProgram()), /etcd/],
  ["without its interpreter", program("#!/nonexistent/sh\n"), /etcd/],
  ["that says nothing", program("#!/bin/sh\n"), /etcd/],
  ["that fails when asked", program("#!/bin/sh\nexit 3\n"), /etcd/],
  [
    "of another version than any supported",
    program("#!/bin/sh\necho 'etcd Version: 3.3.27'\n"),
    /it is etcd 3\.3\.27, and only 3\.5 to 3\.7/,
  ],
  [
    "that steers the terminal",
    program("#!/bin/sh\nprintf '\\033[31metcd Version: x\\n'\n"),
    /etcd/,
  ],
] as readonly [string, (place: Place) => Promise<void>, RegExp][]).map((
  [name, given, says],
) => ({
  name: `an etcd ${name}`,
  given,
  args: withEtcd,
  code: 1,
  says: new RegExp(`${says.source}[^]*--etcd-binary`),
}));

testBadInputs(NO_PROGRAM);

/** Versions that programs print, and what they then do. */
const ENDS: readonly (readonly [what: string, act: string, says: RegExp])[] = [
  ["with 0", "exit 0", /exit code 0/],
  ["with 1 and its last words", "echo 'not today' >&2; exit 1", /not today/],
  ["with 2", "exit 2", /exit code 2/],
  ["by a signal", "kill -SEGV $$", /ended by SIGSEGV/],
];

for (const [what, act, says] of ENDS) {
  Deno.test(`kat-agent says so when a new etcd ends ${what}, and completes the node later`, async () => {
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    const place = { dir: dir.path, data: `${dir.path}/data`, file };
    await program(
      `#!/bin/sh\n[ "$1" = --version ] && exec ${etcdBinaries.etcd} "$1"\n${act}\n`,
    )(place);

    const { code, stderr } = await runAgent(withEtcd(place));

    strictEqual(code, 1, stderr);
    strictEqual(stderr.match(/^kat-agent: /gm)?.length, 1, stderr);
    match(stderr, says);
    ok(!/^\s+at /m.test(stderr), stderr);
    strictEqual((await processesNaming(dir.path)).length, 0);
    await using agent = startAgent(init(place));
    await agent.logged("Became leader: n1");
  });
}

Deno.test("run starts when etcd.pid is garbage", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const place = { dir: dir.path, data: `${dir.path}/data`, file };
  await makeNode(place);
  // This very process, garbage, and nothing.
  for (const text of [`{"pid":${Deno.pid},"startTime":"1"}`, "\0{", ""]) {
    await Deno.writeTextFile(`${place.data}/etcd.pid`, text);

    await using agent = startAgent(["run", `--data-dir=${place.data}`]);
    await agent.logged("Became leader: n1");
  }
});

const platform = platformOf(Deno.build.os, Deno.build.arch);

function archive(options: EtcdArchiveOptions = {}): EtcdArchive {
  return etcdArchive({ platform, ...options });
}

const GOOD = archive();
const OLD = archive({ prints: "3.6.13" });
const SCRIPT = archive({ etcd: "#!/nonexistent/sh\n" });

function serve(bytes: Uint8Array): RawHandler {
  return (_, { send }) =>
    send("200 OK", { "content-length": bytes.length }, bytes);
}

const DOWNLOADS: readonly (readonly [
  what: string,
  handler: RawHandler,
  says: RegExp,
  sha256?: string,
])[] = [
  [
    "is a web page",
    (_, { send }) =>
      send("200 OK", { "content-type": "text/html" }, "<!doctype html><p>Hi"),
    /web page|checksum|SHA-256/,
  ],
  [
    "has another checksum",
    serve(GOOD.bytes),
    /checksum|SHA-256/,
    "0".repeat(64),
  ],
  [
    "ends early",
    serve(GOOD.bytes.subarray(0, 1000)),
    /checksum|SHA-256/,
    GOOD.release.sha256,
  ],
  [
    "is not there",
    (_, { send }) => send("404 Not Found"),
    /404/,
    GOOD.release.sha256,
  ],
  [
    "goes round in a circle",
    ({ target }, { send }) => send("302 Found", { location: target }),
    /redirect/,
    GOOD.release.sha256,
  ],
  [
    "leads to a file of this machine",
    (_, { send }) => send("302 Found", { location: "file:///etc/passwd" }),
    /redirect|http/,
    GOOD.release.sha256,
  ],
  ["is another version", serve(OLD.bytes), /3\.6\.13/, OLD.release.sha256],
  [
    "holds no program",
    serve(SCRIPT.bytes),
    /etcd/,
    SCRIPT.release.sha256,
  ],
  [
    "is no archive",
    serve(new Uint8Array(5_000)),
    /archive|etcd/,
    "7ca5bd879f393d9dd05b14f38add9c0fc6b67928f7f2d261b2e47a32ee8219e3",
  ],
];

for (const [what, handler, says, sha256 = "0".repeat(64)] of DOWNLOADS) {
  Deno.test(
    `kat-agent refuses a download that ${what}, and leaves nothing of it`,
    {
      ignore: platform === undefined,
    },
    async () => {
      await using dir = await tempDir();
      await using server = startRawHttpServer(handler);
      const file = await writeClusterFile(dir.path, {
        spec: {
          etcd:
            `{version: 3.6.14, mirror: "${server.url}", sha256: "${sha256}"}`,
        },
      });
      const cache = `${dir.path}/cache`;

      const { code, stdout, stderr } = await runAgent([
        ...initArgs(file, `${dir.path}/data`),
        `--cache-dir=${cache}`,
      ], { env: { PATH: "/nonexistent" } });

      strictEqual(code, 1, stderr);
      strictEqual(stderr.match(/^kat-agent: /gm)?.length, 1, stderr);
      match(stderr, says);
      ok(!/^\s+at /m.test(stderr), stderr);
      strictEqual(stdout, "");
      ok(server.requests.length > 0);
      const kept = await Array.fromAsync(Deno.readDir(`${cache}/etcd`));
      strictEqual(kept.filter(({ name }) => name !== ".lock").length, 0);
      await Deno.lstat(`${dir.path}/data`).then(
        () => ok(false, "a data directory was made"),
        () => {},
      );
      strictEqual((await processesNaming(dir.path)).length, 0);
    },
  );
}
