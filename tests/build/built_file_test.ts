import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { VERSION } from "../../src/base/version.ts";
import {
  bareCommand,
  type BareOptions,
  type BuiltFile,
  builtFile,
  ownDir,
  runBare,
} from "../machine/built_file.ts";
import { writeClusterFile } from "../machine/cluster_file.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { eventually } from "../machine/eventually.ts";
import { processesNaming } from "../machine/processes.ts";

let built: BuiltFile;
let count = 0;

Deno.test.beforeAll(async () => {
  built = await builtFile();
});
Deno.test.afterAll(async () => {
  await built[Symbol.asyncDispose]();
});

interface Bare extends BareOptions {
  /** Belongs to the user, and holds all that the user may write to. */
  readonly home: string;
}

/**
 * An ordinary user in a directory that is not writable, without HOME and PATH,
 * and with a place of their own for temporary files.
 */
async function bareUser(): Promise<Bare> {
  const home = await ownDir(built.dir, `user-${++count}`);
  const cwd = `${built.dir}/cwd-${count}`;
  await Deno.mkdir(cwd);
  await Deno.chmod(cwd, 0o555);
  return { home, cwd, env: { TMPDIR: home } };
}

/** Where a user's first start has unpacked the portable form. */
async function unpackedDir(base: string): Promise<string> {
  const names = (await Array.fromAsync(Deno.readDir(base)))
    .map(({ name }) => name);
  deepStrictEqual(names.length, 1, `in ${base}: ${names}`);
  return `${base}/${names[0]}`;
}

Deno.test("the built file says what it is, for a user without HOME, PATH and a writable directory", async () => {
  const user = await bareUser();

  const { code, stdout, stderr } = await runBare(
    built.path,
    ["version"],
    user,
  );

  deepStrictEqual([code, stderr], [0, ""]);
  ok(stdout.startsWith(`kat-agent ${VERSION} (etcd 3.6.14, `), stdout);
  match(stdout, /, commit (?:[0-9a-f]{12}|unknown)( with changes)?\)\n$/);
  strictEqual(/portable form/.test(stdout), built.form === "portable");
});

Deno.test("the built file hands over arguments as they are, and exit codes", async () => {
  const user = await bareUser();
  const odd = `${user.home}/a  *'"$(id)\\ é`;

  const { code, stderr } = await runBare(built.path, [
    "config",
    "validate",
    odd,
  ], user);
  const usage = await runBare(built.path, ["no such", ""], user);

  strictEqual(code, 78);
  ok(stderr.includes(odd), stderr);
  strictEqual(usage.code, 2, usage.stderr);
});

Deno.test("the built file reads no settings of Deno and Node that lie about", async () => {
  const user = await bareUser();
  const cwd = await ownDir(user.home, "project");
  for (const name of ["deno.json", "package.json", ".npmrc"]) {
    await Deno.writeTextFile(`${cwd}/${name}`, "{ broken");
  }
  const env = {
    ...user.env,
    PATH: cwd,
    HOME: cwd,
    DENO_DIR: "/dev/null/none",
    NODE_OPTIONS: "--require=/dev/null/none.js",
  };

  const { code, stderr } = await runBare(built.path, ["version"], {
    cwd,
    env,
  });

  deepStrictEqual([code, stderr], [0, ""]);
});

Deno.test("the built file makes a cluster, leads, and leaves nothing running after SIGTERM", async () => {
  const user = await bareUser();
  const etcd = `${user.home}/etcd`;
  await Deno.copyFile(etcdBinaries.etcd, etcd);
  const file = await writeClusterFile(built.dir, { name: `${count}.kat` });
  const valid = await runBare(
    built.path,
    ["config", "validate", file.path],
    user,
  );
  const child = bareCommand(built.path, [
    "init",
    `--config=${file.path}`,
    `--data-dir=${user.home}/data`,
    "--node-name=n1",
    `--etcd-binary=${etcd}`,
  ], user).spawn();
  let log = "";
  let stopping = false;
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    log += text;
    // One process: the signal reaches the agent, which resigns before it ends.
    if (!stopping && log.includes("Became leader: n1")) {
      stopping = true;
      child.kill("SIGTERM");
    }
  }
  const { code } = await child.status;
  await child.stdout.cancel();

  strictEqual(valid.code, 0, valid.stderr);
  strictEqual(code, 0, log);
  match(log, /Became leader: n1[^]*Resigned leadership/);
  await eventually(async () => {
    deepStrictEqual(await processesNaming(user.home), []);
  });
});

Deno.test("two first starts at once both succeed and leave one whole copy", async () => {
  const user = await bareUser();
  const run = () => runBare(built.path, ["version"], user);

  const results = await Promise.all([run(), run(), run()]);
  const later = await run();

  for (const { code, stderr } of [...results, later]) {
    deepStrictEqual([code, stderr], [0, ""]);
  }
  if (built.form === "compiled") return;
  const bases = await unpackedDir(user.home);
  const left = await Array.fromAsync(Deno.readDir(await unpackedDir(bases)));
  deepStrictEqual(left.filter(({ name }) => name.startsWith(".new")), []);
});

Deno.test("threads find no directory for what pages keep on the disk", async () => {
  const user = await bareUser();
  strictEqual((await runBare(built.path, ["version"], user)).code, 0);
  if (built.form === "compiled") return;
  const dir = await unpackedDir(await unpackedDir(user.home));
  const run = (...args: string[]) =>
    new Deno.Command(`${dir}/kat-agent`, {
      args,
      cwd: user.home,
      clearEnv: true,
      env: { DENO_DIR: `${dir}/.deno`, NO_COLOR: "1" },
    }).output();

  // The runtime itself, without what the agent closes.
  const { code, stderr } = await run("eval", "caches.open('x')");

  const text = new TextDecoder().decode(stderr);
  ok(code !== 0, text);
  match(text, /Failed to create cache storage directory/);
});

Deno.test("a damaged copy is repaired at the next start", async () => {
  const user = await bareUser();
  const run = () => runBare(built.path, ["version"], user);
  strictEqual((await run()).code, 0);
  if (built.form === "compiled") return;
  const dir = await unpackedDir(await unpackedDir(user.home));
  const whole = (await Deno.stat(`${dir}/kat-agent`)).size;
  const modified = async () => (await Deno.stat(`${dir}/main.js`)).mtime;
  const before = await modified();

  await Deno.truncate(`${dir}/kat-agent`, 1000);
  const cut = await run();
  await Deno.remove(`${dir}/main.js`);
  const incomplete = await run();

  deepStrictEqual([cut.code, cut.stderr], [0, ""]);
  strictEqual((await Deno.stat(`${dir}/kat-agent`)).size, whole);
  deepStrictEqual([incomplete.code, incomplete.stderr], [0, ""]);
  // A changed file would make Deno read it again in a starting agent, where it may not.
  deepStrictEqual(await modified(), before);
});

Deno.test("a copy that another user could have planted is not run", async () => {
  const user = await bareUser();
  const cache = await ownDir(user.home, "cache");
  const env = { KAT_CACHE_DIR: cache, TMPDIR: "/dev/null" };
  const run = () => runBare(built.path, ["version"], { ...user, env });
  strictEqual((await run()).code, 0);
  if (built.form === "compiled") return;
  const dir = await unpackedDir(cache);
  const { size } = await Deno.stat(`${dir}/kat-agent`);
  await Deno.writeTextFile(
    `${dir}/kat-agent`,
    `#!/bin/sh\necho planted\nexit 0\n`,
  );
  await Deno.truncate(`${dir}/kat-agent`, size);

  await Deno.chmod(cache, 0o777);
  const open = await run();
  await Deno.chmod(cache, 0o700);
  await Deno.chmod(`${dir}/kat-agent`, 0o777);
  const repaired = await run();

  strictEqual(open.code, 1);
  strictEqual(open.stdout, "");
  match(open.stderr, /^kat-agent: Cannot unpack: .*\n.*others may write to it/);
  match(open.stderr, /Set KAT_CACHE_DIR/);
  strictEqual(repaired.code, 0, repaired.stderr);
  match(repaired.stdout, /^kat-agent /);
});

Deno.test("a file that was cut short in download says so", async () => {
  const user = await bareUser();
  const cut = `${user.home}/kat-agent`;
  await Deno.copyFile(built.path, cut);
  await Deno.truncate(cut, (await Deno.stat(cut)).size - 1_000_000);

  const { code, stderr } = await runBare(cut, ["version"], {
    ...user,
    env: { KAT_CACHE_DIR: `${user.home}/cache`, TMPDIR: "/dev/null" },
  });

  ok(code !== 0);
  if (built.form === "compiled") return;
  strictEqual(code, 1);
  match(stderr, /is .*\/kat-agent damaged/);
  const base = await unpackedDir(`${user.home}/cache`);
  deepStrictEqual(await Array.fromAsync(Deno.readDir(base)), []);
});
