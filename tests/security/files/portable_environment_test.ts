import { match, strictEqual } from "node:assert/strict";
import { basename } from "node:path";
import {
  type BuiltFile,
  builtFile,
  ownDir,
  runBare,
} from "../../machine/built_file.ts";
import { outputOf } from "../../machine/command_output.ts";
import { must, whyNoOtherUser } from "./other_user.ts";

const ignore = whyNoOtherUser !== undefined;
let built: BuiltFile;

Deno.test.beforeAll(async () => {
  if (!ignore) built = await builtFile();
});
Deno.test.afterAll(async () => {
  if (!ignore) await built[Symbol.asyncDispose]();
});

async function isThere(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

Deno.test(
  "without a PATH, a missing tool is not taken from the current directory",
  {
    ignore,
  },
  async () => {
    const here = `${built.dir}/here`;
    await Deno.mkdir(here);
    const marker = `${built.dir}/ran`;
    await Deno.writeTextFile(`${here}/find`, `#!/bin/sh\n: >'${marker}'\n`);
    await Deno.chmod(`${here}/find`, 0o755);
    // A small machine without that tool, seen by this command alone.
    const words =
      'mount -t tmpfs tmpfs /var/cache; mount --bind /dev/null "$(command -v find)"; exec "$@"';
    const { code, stderr } = await outputOf(
      new Deno.Command("/usr/bin/unshare", {
        args: [
          ...["--mount", "--propagation=private", "/bin/sh", "-c", words, "sh"],
          ...["/usr/bin/env", "-i", `KAT_CACHE_DIR=${built.dir}/none`],
          ...[`HOME=${built.dir}/home`, "PATH=", built.path, "version"],
        ],
        cwd: here,
        stdin: "null",
      }),
    );

    strictEqual(await isThere(marker), false);
    strictEqual(code, 0, stderr);
  },
);

/** What each would do, and how that is seen. */
const VARIABLES = [
  ["DENO_AUDIT_PERMISSIONS", (path: string) => path],
  ["DENO_V8_FLAGS", () => "--help"],
  // What listens there would decide on every right.
  ["DENO_PERMISSION_BROKER_PATH", (path: string) => path],
  ["TAR_OPTIONS", (path: string) => `--to-command=touch ${path}`],
  ["BLOCK_SIZE", () => "human"],
] as const;

for (const [name, valueOf] of VARIABLES) {
  Deno.test(`the portable form does not obey ${name}`, {
    ignore,
  }, async () => {
    if (built.form !== "portable") return;
    const open = await ownDir(built.dir, `open-${name}`);
    const path = `${open}/${name}`;
    const { code, stdout, stderr } = await runBare(
      built.path,
      ["config", "validate", `${built.dir}/absent`],
      {
        env: {
          PATH: "/usr/bin:/bin",
          KAT_CACHE_DIR: await ownDir(built.dir, `cache-${name}`),
          [name]: valueOf(path),
        },
        cwd: built.dir,
      },
    );

    strictEqual(await isThere(path), false);
    strictEqual(stdout, "");
    match(stderr, /there is no such file/);
    strictEqual(code !== 0, true);
  });
}

/** What stands in a home's `.npmrc`, as others may have written it. */
const HOMES = [
  ["a pipe", (path: string) => must("mkfifo", [path])],
  [
    "a line that names a variable",
    (path: string) => Deno.writeTextFile(path, "registry=${UNKNOWN}\n"),
  ],
  ["no text", (path: string) => Deno.writeFile(path, new Uint8Array([255]))],
] as const;

for (const [what, lay] of HOMES) {
  Deno.test(`the portable form does not read ~/.npmrc, ${what}`, {
    ignore,
  }, async () => {
    if (built.form !== "portable") return;
    const home = await Deno.makeTempDir({ dir: built.dir });
    await lay(`${home}/.npmrc`);
    await Deno.chmod(home, 0o755);
    const cache = await ownDir(built.dir, `cache-${basename(home)}`);
    const said = await runBare("timeout", ["20", built.path, "status"], {
      env: {
        PATH: "/usr/bin:/bin",
        HOME: home,
        KAT_CACHE_DIR: cache,
      },
      cwd: built.dir,
    });

    // The agent knows all the same where the home is.
    match(said.stderr, new RegExp(`"${home}/.local/share/kat"`));
  });
}
