import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { releaseDirectory } from "../../src/etcd/release/etcd_cache.ts";
import { etcdArchive } from "../fakes/etcd_archive.ts";
import type { ChildOutcome, ChildTask } from "../programs/etcd_installer.ts";
import {
  type RawHandler,
  startRawHttpServer,
} from "../fakes/raw_http_server.ts";
import { tempDir } from "../machine/temp_dir.ts";

const ARCHIVE = etcdArchive();
const CHILD =
  new URL("../programs/etcd_installer.ts", import.meta.url).pathname;
/** Variables that would send a child to a proxy of this machine's. */
const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A line for `sh` that runs before the child, in its process. */
  readonly before?: string;
}

function startChild(
  task: ChildTask,
  { env = {}, before = ":" }: ChildOptions = {},
): Deno.ChildProcess {
  const inherited = Deno.env.toObject();
  for (const name of PROXY_VARIABLES) {
    delete inherited[name];
    delete inherited[name.toLowerCase()];
  }
  return new Deno.Command("/bin/sh", {
    args: [
      "-c",
      `${before}; exec "$@"`,
      "sh",
      Deno.execPath(),
      "run",
      "--allow-all",
      "--no-check",
      CHILD,
      JSON.stringify(task),
    ],
    clearEnv: true,
    env: { ...inherited, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function outcomeOf(child: Deno.ChildProcess): Promise<ChildOutcome> {
  const { stdout, stderr } = await child.output();
  const text = new TextDecoder().decode(stdout);
  ok(text !== "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

async function namesIn(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory)))
    .map(({ name }) => name).sort();
}

function task(cacheDir: string, url: string): ChildTask {
  return { cacheDir, release: ARCHIVE.release, url };
}

const WHOLE: RawHandler = (_, { send }) => send("200 OK", {}, ARCHIVE.bytes);

Deno.test("installEtcd() downloads once when two processes want it at once", async () => {
  await using dir = await tempDir();
  await using server = startRawHttpServer(WHOLE);

  const outcomes = await Promise.all(
    [1, 2].map(() => outcomeOf(startChild(task(dir.path, server.url)))),
  );

  const etcd = join(releaseDirectory(dir.path, ARCHIVE.release), "etcd");
  deepStrictEqual(
    outcomes.sort((a, b) =>
      "source" in a && "source" in b ? a.source.localeCompare(b.source) : 0
    ),
    [{ source: "cache", etcd }, { source: "download", etcd }],
  );
  strictEqual(server.requests.length, 1);
});

const LENGTH = ARCHIVE.bytes.length;
const KILLED_AT: Readonly<Record<string, number>> = {
  "before the first byte": 0,
  "after one byte": 1,
  "in the middle": LENGTH / 2,
  "before the last byte": LENGTH - 1,
};
for (const [when, sent] of Object.entries(KILLED_AT)) {
  Deno.test(`installEtcd() succeeds after a process was killed ${when}`, async () => {
    await using dir = await tempDir();
    const stuck = Promise.withResolvers<void>();
    await using slow = startRawHttpServer(async (_, { send, gone }) => {
      await send(
        "200 OK",
        { "content-length": LENGTH },
        ARCHIVE.bytes.subarray(0, sent),
      );
      stuck.resolve();
      await gone;
    });
    await using server = startRawHttpServer(WHOLE);
    const killed = startChild(task(dir.path, slow.url));
    await stuck.promise;

    killed.kill("SIGKILL");
    await killed.output();
    const root = join(dir.path, "etcd");
    const left = await namesIn(root);
    strictEqual(left.length, 2, `${left}`);
    match(left[0] ?? "", /^\.lock$/);
    match(left[1] ?? "", /^\.new-/);
    const outcome = await outcomeOf(startChild(task(dir.path, server.url)));

    strictEqual("source" in outcome && outcome.source, "download");
    deepStrictEqual(await namesIn(root), [".lock", "v3.6.14-linux-amd64"]);
  });
}

Deno.test("installEtcd() reports a full disk and leaves nothing", async () => {
  await using dir = await tempDir();
  await using server = startRawHttpServer(WHOLE);

  // A limit on the length of files is the one full disk that needs no rights.
  const outcome = await outcomeOf(
    startChild(task(dir.path, server.url), {
      before: `trap "" XFSZ; ulimit -f 64`,
    }),
  );

  ok("message" in outcome, JSON.stringify(outcome));
  match(outcome.message, /^Cannot keep etcd in ".*": File too large/);
  match(outcome.hint ?? "", /100 MB free/);
  deepStrictEqual(await namesIn(join(dir.path, "etcd")), [".lock"]);
});

const OUTSIDE = `http://mirror.invalid${ARCHIVE.path}`;

Deno.test("installEtcd() goes through the proxy that the environment names", async () => {
  for (const variable of ["HTTP_PROXY", "http_proxy", "ALL_PROXY"]) {
    await using dir = await tempDir();
    await using proxy = startRawHttpServer(WHOLE);
    const url = new URL(proxy.url);
    url.username = "name";
    url.password = "s3cret";

    const outcome = await outcomeOf(
      startChild(task(dir.path, OUTSIDE), { env: { [variable]: url.href } }),
    );

    strictEqual("source" in outcome && outcome.source, "download", variable);
    strictEqual(proxy.requests[0]?.target, OUTSIDE);
    strictEqual(
      proxy.requests[0]?.headers.get("proxy-authorization"),
      `Basic ${btoa("name:s3cret")}`,
    );
  }
});

Deno.test("installEtcd() asks the proxy for a tunnel where the URL is https", async () => {
  await using dir = await tempDir();
  await using proxy = startRawHttpServer((_, { send }) =>
    send("403 Forbidden")
  );

  const outcome = await outcomeOf(
    startChild(task(dir.path, OUTSIDE.replace("http:", "https:")), {
      env: { HTTPS_PROXY: proxy.url },
    }),
  );

  ok("message" in outcome, JSON.stringify(outcome));
  match(outcome.hint ?? "", /HTTPS_PROXY/);
  strictEqual(proxy.requests[0]?.method, "CONNECT");
  strictEqual(proxy.requests[0]?.target, "mirror.invalid:443");
});

Deno.test("installEtcd() goes past the proxy where NO_PROXY says so", async () => {
  await using dir = await tempDir();
  await using proxy = startRawHttpServer(WHOLE);
  await using server = startRawHttpServer(WHOLE);

  const outcome = await outcomeOf(
    startChild(task(dir.path, server.url), {
      env: { HTTP_PROXY: proxy.url, NO_PROXY: "localhost,127.0.0.1" },
    }),
  );

  strictEqual("source" in outcome && outcome.source, "download");
  strictEqual(proxy.requests.length, 0);
});

Deno.test("installEtcd() keeps the proxy's password to itself when the proxy is down", async () => {
  await using dir = await tempDir();
  const proxy = startRawHttpServer(WHOLE);
  await proxy[Symbol.asyncDispose]();
  const url = new URL(proxy.url);
  url.username = "name";
  url.password = "s3cret";

  const child = startChild(task(dir.path, OUTSIDE), {
    env: { HTTP_PROXY: url.href },
  });
  const { stdout, stderr } = await child.output();

  const said = new TextDecoder().decode(stdout) +
    new TextDecoder().decode(stderr);
  match(said, /Cannot download etcd 3\.6\.14/);
  match(said, /HTTPS_PROXY/);
  ok(!said.includes("s3cret"), said);
});
