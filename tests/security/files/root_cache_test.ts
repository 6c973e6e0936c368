import {
  deepStrictEqual,
  doesNotMatch,
  ok,
  strictEqual,
} from "node:assert/strict";
import { createHash } from "node:crypto";
import { runAgent } from "../../machine/agent_process.ts";
import {
  type BuiltFile,
  builtFile,
  runBare,
} from "../../machine/built_file.ts";
import { initArgs, writeClusterFile } from "../../machine/cluster_file.ts";
import { etcdBinaries } from "../../machine/tested_etcd.ts";
import { releaseDirectory } from "../../../src/etcd/release/etcd_cache.ts";
import { etcdRelease } from "../../../src/etcd/release/etcd_release.ts";
import { giveAway, scene, whyNoOtherUser } from "./other_user.ts";

const ignore = whyNoOtherUser !== undefined;
let built: BuiltFile;

Deno.test.beforeAll(async () => {
  if (!ignore) built = await builtFile();
});
Deno.test.afterAll(async () => {
  if (!ignore) await built[Symbol.asyncDispose]();
});

/** What shows `caches` as /var/cache to a command, and to it alone. */
function withCaches(caches: string): string[] {
  const words = `mount --bind '${caches}' /var/cache && exec "$@"`;
  return [
    "unshare",
    "--mount",
    "--propagation=private",
    "sh",
    "-c",
    words,
    "sh",
  ];
}

/** Puts a program into a cache that looks as if it had been fetched; it says so in `marker`. */
async function plantRelease(cache: string, marker: string): Promise<string> {
  const release = etcdRelease({});
  const directory = releaseDirectory(cache, release);
  await Deno.mkdir(directory, { recursive: true });
  const program =
    `#!/bin/sh\necho "$*" >>'${marker}'\nexec '${etcdBinaries.etcd}' "$@"\n`;
  await Deno.writeTextFile(`${directory}/etcd`, program);
  await Deno.chmod(`${directory}/etcd`, 0o755);
  const sha256 = createHash("sha256").update(program).digest("hex");
  const manifest = {
    archiveSha256: release.sha256,
    files: { etcd: { size: program.length, sha256 } },
  };
  await Deno.writeTextFile(
    `${directory}/manifest.json`,
    JSON.stringify(manifest),
  );
  return directory;
}

/** What of the cache belongs to the other user, from the whole to one file. */
const OWNED = [
  ["the cache", () => "kat"],
  ["its directory of releases", () => "kat/etcd"],
  ["one release in it", (release: string) => release],
  ["one program in it", (release: string) => `${release}/etcd`],
] as const;

for (const [what, pathOf] of OWNED) {
  Deno.test(`root runs no etcd from a cache where another user owns ${what}`, {
    ignore,
  }, async () => {
    await using at = await scene();
    const caches = `${at.path}/caches`;
    const marker = `${at.path}/ran`;
    const release = await plantRelease(`${caches}/kat`, marker);
    await giveAway(`${caches}/${pathOf(release.slice(caches.length + 1))}`);
    const file = await writeClusterFile(at.path, {
      spec: { etcd: '{mirror: "http://127.0.0.1:9/"}' },
    });
    const prefix = withCaches(caches);

    const fetched = await runAgent(
      ["etcd", "fetch", `--config=${file.path}`],
      { prefix },
    );
    const asked = await Deno.readTextFile(marker).catch(() => "");
    // A node of the planted program would run for ever.
    const ran = await runAgent(initArgs(file, `${at.path}/data`), {
      prefix: [...prefix, "timeout", "--signal=TERM", "10"],
    });

    strictEqual(
      await Deno.readTextFile(marker).catch(() => ""),
      "",
      ran.stderr,
    );
    strictEqual(asked, "");
    doesNotMatch(fetched.stdout, /\/etcd\n$/, "fetch calls it good");
    ok(fetched.code !== 0 && ran.code !== 0, fetched.stderr);
  });
}

/** The name of the directory that the portable form unpacks into. */
async function unpackedName(): Promise<string> {
  const file = await Deno.open(built.path);
  const start = new Uint8Array(4096);
  await file.read(start);
  file.close();
  const [, name = ""] = /^kat_name=(agent-\w+)$/m.exec(
    new TextDecoder("latin1").decode(start),
  ) ?? [];
  return name;
}

/** A directory of root's that an attacker wants to be written to. */
async function victim(path: string): Promise<string> {
  await Deno.mkdir(`${path}/.new.old`, { recursive: true });
  await Deno.writeTextFile(`${path}/main.js`, "root's own");
  await Deno.writeTextFile(`${path}/.new.old/file`, "root's own");
  await Deno.utime(`${path}/.new.old`, 0, 0);
  return path;
}

async function assertUntouched(path: string): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(path)))
    .map(({ name }) => name).sort();
  deepStrictEqual(names, [".new.old", "main.js"]);
  strictEqual(await Deno.readTextFile(`${path}/main.js`), "root's own");
  strictEqual(await Deno.readTextFile(`${path}/.new.old/file`), "root's own");
}

/** A link of the other user's, and how the portable form comes to it. */
interface Planted {
  readonly name: string;
  /** Makes the link to `target`; returns the environment and the words before the command. */
  readonly plant: (
    at: { readonly path: string; readonly theirs: string },
    target: string,
  ) => Promise<{
    readonly env?: Readonly<Record<string, string>>;
    readonly prefix?: readonly string[];
  }>;
}

async function linkOfOther(target: string, path: string): Promise<void> {
  await Deno.symlink(target, path);
  await giveAway(path);
}

const PLANTED: readonly Planted[] = [
  {
    name: "in the service's cache",
    async plant({ path, theirs }, target) {
      const kat = `${path}/caches/kat`;
      await Deno.mkdir(`${path}/caches`);
      await Deno.rename(theirs, kat);
      await linkOfOther(target, `${kat}/${await unpackedName()}`);
      return { prefix: withCaches(`${path}/caches`) };
    },
  },
  {
    name: "for the service's cache itself",
    async plant({ path }, target) {
      await Deno.mkdir(`${path}/caches`);
      await linkOfOther(target, `${path}/caches/kat`);
      return { prefix: withCaches(`${path}/caches`) };
    },
  },
  {
    name: "in KAT_CACHE_DIR",
    async plant({ path, theirs }, target) {
      await linkOfOther(target, `${theirs}/cache`);
      // Where it unpacks instead; not on the machine that runs the tests.
      await Deno.mkdir(`${path}/caches`);
      return {
        env: { KAT_CACHE_DIR: `${theirs}/cache` },
        prefix: withCaches(`${path}/caches`),
      };
    },
  },
  {
    name: "in the directory for temporary files",
    async plant({ path }, target) {
      const tmp = `${path}/tmp`;
      await Deno.mkdir(tmp);
      await Deno.chmod(tmp, 0o1777);
      await linkOfOther(target, `${tmp}/kat-0`);
      await Deno.mkdir(`${path}/caches`);
      // As a read-only system has it.
      const readOnly = [
        ...["unshare", "--mount", "--propagation=private", "sh", "-c"],
        `mount -t tmpfs -o ro tmpfs /var/cache && exec "$@"`,
        "sh",
      ];
      return { env: { TMPDIR: tmp }, prefix: readOnly };
    },
  },
];

for (const { name, plant } of PLANTED) {
  Deno.test(`root unpacks nothing through another user's link ${name}`, {
    ignore,
  }, async () => {
    if (built.form === "compiled") return;
    await using at = await scene();
    const target = await victim(`${at.path}/victim`);
    const { env = {}, prefix = [] } = await plant(at, target);
    const [first = built.path, ...rest] = [...prefix, built.path, "version"];

    const said = await runBare(first, rest, {
      env: { TMPDIR: `${at.path}/none`, ...env },
      cwd: "/",
      asRoot: true,
    });

    await assertUntouched(target);
    ok(said.code === 0 || /Cannot unpack/.test(said.stderr), said.stderr);
  });
}
