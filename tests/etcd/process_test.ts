import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { request } from "node:http";
import { join } from "node:path";
import { EtcdProcessError } from "../../src/etcd/process/etcd_process_error.ts";
import {
  type EtcdProcessOptions,
  startEtcd,
} from "../../src/etcd/process/etcd_process.ts";
import { findProcess, HAS_PROC } from "../../src/base/process_table.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { eventually } from "../machine/eventually.ts";
import { tryEtcdctl } from "../machine/etcdctl.ts";
import { testMember } from "../machine/test_member.ts";
import { treeHash } from "../machine/tree_hash.ts";

async function processError(
  promise: Promise<unknown>,
): Promise<EtcdProcessError> {
  const error = await promise.then(() => undefined, (error) => error);
  ok(error instanceof EtcdProcessError, String(error));
  return error;
}

async function modeOf(path: string): Promise<string> {
  return ((await Deno.stat(path)).mode ?? 0).toString(8).slice(-3);
}

Deno.test("startEtcd() starts an etcd that serves, stops, and keeps its data", async () => {
  await using member = await testMember();
  const { options, clientUrl } = member;
  {
    await using etcd = await startEtcd(options);
    strictEqual(etcd.state, "starting");
    await etcd.waitUntilServing();

    strictEqual(etcd.state, "serving");
    const { code, text } = await tryEtcdctl(clientUrl, "put", "a", "1");
    strictEqual(code, 0, text);
    strictEqual(
      JSON.parse(await Deno.readTextFile(options.pidFile)).pid,
      etcd.pid,
    );
    strictEqual(await modeOf(options.member.dataDir), "700");
    strictEqual(await modeOf(options.logFile), "600");
    match(await Deno.readTextFile(options.logFile), /"level":"info"/);

    await etcd.stop();
    strictEqual(etcd.state, "exited");
    deepStrictEqual(await etcd.exited, { code: null, signal: "SIGTERM" });
    strictEqual(await findProcess(etcd.pid), undefined);
    await rejects(Deno.stat(options.pidFile), Deno.errors.NotFound);
  }

  await using again = await startEtcd(options);
  await again.waitUntilServing();
  const { text } = await tryEtcdctl(
    clientUrl,
    "get",
    "--print-value-only",
    "a",
  );
  strictEqual(text, "1");
});

Deno.test("startEtcd() hands nothing of its environment to etcd", async () => {
  await using member = await testMember();
  const { options } = member;
  const inherited = {
    ETCD_MAX_REQUEST_BYTES: "nonsense",
    ETCD_DATA_DIR: join(member.dir, "elsewhere"),
    NOTIFY_SOCKET: join(member.dir, "notify"),
    HTTP_PROXY: "http://127.0.0.1:9",
    http_proxy: "http://127.0.0.1:9",
  };
  try {
    for (const [name, value] of Object.entries(inherited)) {
      Deno.env.set(name, value);
    }
    await using etcd = await startEtcd(options);
    await etcd.waitUntilServing();

    const { environment } = await findProcess(etcd.pid) ?? {};
    const { childId } = JSON.parse(await Deno.readTextFile(options.pidFile));
    const markers = [
      `KAT_AGENT_CHILD_ID=${childId}`,
      `KAT_AGENT_DATA_DIR=${options.member.dataDir}`,
    ];
    deepStrictEqual(environment?.toSorted(), HAS_PROC ? markers : []);
    await rejects(Deno.stat(inherited.ETCD_DATA_DIR), Deno.errors.NotFound);
  } finally {
    for (const name of Object.keys(inherited)) Deno.env.delete(name);
  }
});

Deno.test("EtcdProcess.waitUntilServing() resolves also when another address than loopback is listened on", async () => {
  const hostname = "127.0.0.2";
  // Only Linux has all of 127/8; elsewhere only the first address is tried.
  const other = Deno.build.os === "linux" ? hostname : "127.0.0.1";
  await using member = await testMember();
  const port = new URL(member.clientUrl).port;
  const clientUrl = `http://${other}:${port}`;
  const options = {
    ...member.options,
    member: { ...member.options.member, clientUrls: [clientUrl] as [string] },
  };

  await using etcd = await startEtcd(options);
  await etcd.waitUntilServing();

  strictEqual((await tryEtcdctl(clientUrl, "get", "a")).code, 0);
});

Deno.test("EtcdProcess.exited tells at once that etcd was killed", async () => {
  await using member = await testMember();
  await using etcd = await startEtcd(member.options);
  await etcd.waitUntilServing();

  Deno.kill(etcd.pid, "SIGKILL");

  deepStrictEqual(await etcd.exited, { code: null, signal: "SIGKILL" });
  strictEqual(etcd.state, "exited");
  const error = await etcd.explainExit();
  strictEqual(error.message, "Cannot run etcd: it was ended by SIGKILL");
  deepStrictEqual(error.etcdExit, { code: null, signal: "SIGKILL" });
  await rejects(etcd.waitUntilServing(), /ended by SIGKILL/);
});

/** Options of a member whose two peers are not there. */
function withPeers(options: EtcdProcessOptions): EtcdProcessOptions {
  const initialCluster = [
    ...options.member.initialCluster,
    { name: "n2", peerUrl: "http://127.0.0.1:9" },
    { name: "n3", peerUrl: "http://127.0.0.1:10" },
  ];
  return { ...options, member: { ...options.member, initialCluster } };
}

Deno.test("EtcdProcess.waitUntilServing() rejects at once when etcd is killed meanwhile", async () => {
  await using member = await testMember();
  await using etcd = await startEtcd(withPeers(member.options));
  const waiting = processError(etcd.waitUntilServing({ timeoutMs: 600_000 }));

  Deno.kill(etcd.pid, "SIGKILL");

  match((await waiting).message, /ended by SIGKILL/);
});

Deno.test("EtcdProcess.stop() is legal in any state and as often as wanted", async () => {
  await using member = await testMember();
  const starting = await startEtcd(member.options);
  await Promise.all([starting.stop(), starting.stop()]);
  strictEqual(starting.state, "exited");
  await starting.stop();

  await using etcd = await startEtcd(member.options);
  await etcd.waitUntilServing();
  Deno.kill(etcd.pid, "SIGKILL");
  await etcd.exited;
  await etcd.stop();
  strictEqual(etcd.state, "exited");
});

Deno.test("EtcdProcess.stop() kills an etcd that does not stop within the grace time", async () => {
  await using member = await testMember();
  await using etcd = await startEtcd(member.options);
  await etcd.waitUntilServing();
  Deno.kill(etcd.pid, "SIGSTOP");

  await etcd.stop({ graceMs: 200 });

  deepStrictEqual(await etcd.exited, { code: null, signal: "SIGKILL" });
  strictEqual(await findProcess(etcd.pid), undefined);
});

Deno.test("startEtcd() starts nothing once its signal is aborted", async () => {
  await using member = await testMember();
  const reason = new Error("enough");

  await rejects(
    startEtcd(member.options, { signal: AbortSignal.abort(reason) }),
    reason,
  );

  await rejects(Deno.stat(member.options.member.dataDir), Deno.errors.NotFound);
});

Deno.test("EtcdProcess.waitUntilServing() ends with its signal and leaves etcd running", async () => {
  await using member = await testMember();
  await using etcd = await startEtcd(member.options);
  const reason = new Error("enough");

  await rejects(
    etcd.waitUntilServing({ signal: AbortSignal.abort(reason) }),
    reason,
  );

  await etcd.waitUntilServing();
  strictEqual(etcd.state, "serving");
});

Deno.test("EtcdProcess.waitUntilServing() says that a port is taken", async () => {
  await using member = await testMember();
  using _taken = Deno.listen({
    hostname: "127.0.0.1",
    port: Number(new URL(member.clientUrl).port),
  });
  await using etcd = await startEtcd(member.options);

  const error = await processError(etcd.waitUntilServing());

  strictEqual(error.failure, "port-taken");
  match(error.message, /a port is taken .*127\.0\.0\.1:\d+/);
  deepStrictEqual(error.etcdExit, { code: 1, signal: null });
  ok(error.lastLines.length > 0 && error.lastLines.length <= 10);
});

Deno.test("EtcdProcess.waitUntilServing() says that another etcd uses the directory", async () => {
  await using first = await testMember();
  await using second = await testMember();
  await using holder = await startEtcd(first.options);
  await holder.waitUntilServing();
  const { dataDir } = first.options.member;
  await using etcd = await startEtcd({
    ...second.options,
    member: { ...second.options.member, dataDir },
  });

  const error = await processError(etcd.waitUntilServing({ timeoutMs: 2_000 }));

  match(error.message, /does not serve after 2 s/);
  strictEqual(error.failure, HAS_PROC ? "locked" : "deadline");
  if (HAS_PROC) match(error.message, new RegExp(`process ${holder.pid} `));
});

Deno.test("EtcdProcess.waitUntilServing() names the peers it waits for when the time is over", async () => {
  await using member = await testMember();
  await using etcd = await startEtcd(withPeers(member.options));

  const error = await processError(etcd.waitUntilServing({ timeoutMs: 2_000 }));

  strictEqual(error.failure, "deadline");
  match(
    error.message,
    /after 2 s: .* n2 \(http:\/\/127\.0\.0\.1:9\), n3 \(http:\/\/127\.0\.0\.1:10\)$/,
  );
  strictEqual(error.etcdExit, undefined);
  ok(error.lastLines.length > 0);
  strictEqual(etcd.state, "starting");
});

Deno.test("EtcdProcess.waitUntilServing() says that the data is damaged, and leaves it as it is", async () => {
  await using member = await testMember();
  const { options } = member;
  {
    await using etcd = await startEtcd(options);
    await etcd.waitUntilServing();
    await tryEtcdctl(member.clientUrl, "put", "a", "x".repeat(4_000));
  }
  const walDir = join(options.member.dataDir, "member", "wal");
  const wal = join(walDir, "0000000000000000-0000000000000000.wal");
  {
    using file = await Deno.open(wal, { write: true });
    await file.seek(2_000, Deno.SeekMode.Start);
    await file.write(new Uint8Array(64).fill(0xff));
  }
  const before = await treeHash(walDir);
  await using etcd = await startEtcd(options);

  const error = await processError(etcd.waitUntilServing());

  strictEqual(error.failure, "damaged");
  match(error.message, /its data is damaged \(.*\)$/);
  match(error.hint ?? "", /Nothing was deleted/);
  deepStrictEqual(await treeHash(walDir), before);
});

Deno.test("EtcdProcess.waitUntilServing() resolves when only the quota is used up", async () => {
  await using member = await testMember({ quotaBackendBytes: 65_536 });
  const { options, clientUrl } = member;
  {
    await using etcd = await startEtcd(options);
    await etcd.waitUntilServing();
    let text = "";
    for (let key = 0; !/space exceeded/.test(text); key += 1) {
      ok(key < 100, `No end after ${key} writes: ${text}`);
      ({ text } = await tryEtcdctl(
        clientUrl,
        "put",
        `k${key}`,
        "x".repeat(20_000),
      ));
    }
  }

  await using etcd = await startEtcd(options);
  await etcd.waitUntilServing();

  match((await tryEtcdctl(clientUrl, "alarm", "list")).text, /NOSPACE/);
});

async function executable(path: string, content: string): Promise<string> {
  await Deno.writeTextFile(path, content, { mode: 0o755 });
  return path;
}

Deno.test("startEtcd() refuses a file that is no program for this machine", async () => {
  await using member = await testMember();
  const file = (name: string) => join(member.dir, name);
  const header = new Uint8Array(64);
  const other = Deno.build.arch === "x86_64" ? 0xb7 : 0x3e;
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header[18] = other;
  await Deno.writeFile(file("foreign"), header, { mode: 0o755 });
  await Deno.writeTextFile(file("plain"), "#!/bin/sh\n", { mode: 0o644 });
  const cases: readonly [string, RegExp][] = [
    [file("missing"), /there is no such file$/],
    [member.dir, /it is not a file$/],
    [file("plain"), /it is not executable$/],
    [await executable(file("garbage"), "touch me\n"), /it is not a program$/],
    [await executable(file("empty"), ""), /it is not a program$/],
    [file("foreign"), /it is a program for /],
    [await executable(file("no-shell"), "#!/no/such/sh\n"), /Cannot run /],
  ];
  for (const [binary, message] of cases) {
    await rejects(startEtcd({ ...member.options, binary }), { message });
  }
});

Deno.test("EtcdProcess.waitUntilServing() repeats the last line of a program that is not etcd", async () => {
  await using member = await testMember();
  const binary = await executable(
    join(member.dir, "script"),
    "#!/bin/sh\necho not today >&2\nexit 3\n",
  );
  await using etcd = await startEtcd({ ...member.options, binary });

  const error = await processError(etcd.waitUntilServing());

  strictEqual(
    error.message,
    "Cannot run etcd: it ended with exit code 3: not today",
  );
  deepStrictEqual(error.lastLines, ["not today"]);
  // Also when it ended before its pid was written.
  await rejects(Deno.stat(member.options.pidFile), Deno.errors.NotFound);
});

Deno.test("EtcdProcess.waitUntilServing() says that etcd does not know a flag", async () => {
  await using member = await testMember();
  const binary = await executable(
    join(member.dir, "script"),
    `#!/bin/sh\nexec ${etcdBinaries.etcd} --no-such-flag "$@"\n`,
  );
  await using etcd = await startEtcd({ ...member.options, binary });

  const error = await processError(etcd.waitUntilServing());

  strictEqual(error.failure, "wrong-flag");
  match(error.message, /not know an option .*-no-such-flag/);
});

/** A request as a web page's could look: fetch() would not let `Host` be chosen. */
function ask(
  url: string,
  options: { readonly method?: string; readonly host?: string },
): Promise<{ readonly status: number | undefined; readonly allows: unknown }> {
  const { method = "GET", host = new URL(url).host } = options;
  return new Promise((resolve, reject) => {
    const headers = { host, origin: "http://evil.example" };
    const sent = request(url, { method, headers, agent: false }, (response) => {
      response.resume();
      response.on("close", () =>
        resolve({
          status: response.statusCode,
          allows: response.headers["access-control-allow-origin"],
        }));
    });
    sent.on("error", reject);
    sent.end(method === "POST" ? "{}" : undefined);
  });
}

Deno.test("startEtcd() starts an etcd that web pages can neither read nor write", async () => {
  await using member = await testMember();
  await using etcd = await startEtcd(member.options);
  await etcd.waitUntilServing();
  const health = `${member.clientUrl}/health`;

  strictEqual((await ask(health, { host: "evil.example" })).status, 421);
  const plain = await ask(health, {});
  strictEqual(plain.status, 200);
  strictEqual(plain.allows, undefined);
  const write = await ask(`${member.clientUrl}/v3/maintenance/status`, {
    method: "POST",
  });
  strictEqual(write.status, 404);
});

Deno.test("startEtcd() moves a log above the limit away before it starts", async () => {
  await using member = await testMember();
  const { options } = member;
  await Deno.writeTextFile(options.logFile, "old line\n".repeat(1_000));
  await using etcd = await startEtcd({ ...options, logLimitBytes: 1_000 });
  await etcd.waitUntilServing();

  match(await Deno.readTextFile(`${options.logFile}.1`), /^old line\n/);
  match(await Deno.readTextFile(options.logFile), /^{"level"/);
});

Deno.test("EtcdProcess bounds its log while etcd goes on writing", async () => {
  await using member = await testMember();
  const { options } = member;
  await using etcd = await startEtcd({
    ...options,
    logLimitBytes: 1_000,
    logCheckMs: 20,
  });
  await etcd.waitUntilServing();
  await eventually(() => Deno.stat(`${options.logFile}.1`));

  // Each of these makes etcd write lines; after the cut no line is missing.
  await eventually(async () => {
    await tryEtcdctl(member.clientUrl, "move-leader", "1");
    await tryEtcdctl(member.clientUrl, "alarm", "disarm");
    const size = (await Deno.stat(options.logFile)).size;
    ok(size < 1_000_000, `${size} bytes`);
    match(await Deno.readTextFile(`${options.logFile}.1`), /^\{"level"/);
  });
  await etcd.stop();
  ok(!(await Deno.readTextFile(options.logFile)).includes("\0"));
});
