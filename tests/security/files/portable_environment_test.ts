import { strictEqual } from "node:assert/strict";
import { type BuiltFile, builtFile } from "../../machine/built_file.ts";
import { outputOf } from "../../machine/command_output.ts";
import { whyNoOtherUser } from "./other_user.ts";

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
    for (const name of ["sha256sum", "shasum"]) {
      await Deno.writeTextFile(
        `${here}/${name}`,
        `#!/bin/sh\n: >'${marker}'\nexec /usr/bin/sha512sum "$@"\n`,
      );
      await Deno.chmod(`${here}/${name}`, 0o755);
    }
    // A machine without those tools, seen by this command alone.
    const words =
      'for name in sha256sum shasum; do [ ! -e /usr/bin/$name ] || mount --bind /dev/null /usr/bin/$name; done; exec "$@"';
    const { code } = await outputOf(
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
    // Nothing was compared, so nothing is run, unless it needs no unpacking.
    strictEqual(code, built.form === "portable" ? 1 : 0);
  },
);

Deno.test("settings for the developers of Deno programs are not obeyed", {
  ignore,
}, async () => {
  const written = `${built.dir}/audit.jsonl`;
  const { code, stdout, stderr } = await outputOf(
    new Deno.Command(built.path, {
      args: ["config", "show", `${built.dir}/absent`],
      clearEnv: true,
      env: {
        PATH: "/usr/bin:/bin",
        KAT_CACHE_DIR: `${built.dir}/cache`,
        DENO_AUDIT_PERMISSIONS: written,
        // What listens there would decide on every right.
        DENO_PERMISSION_BROKER_PATH: `${built.dir}/broker`,
        DENO_V8_FLAGS: "--help",
      },
      stdin: "null",
    }),
  );

  strictEqual(await isThere(written), false, stdout + stderr);
  strictEqual(code !== 0 && /Options:/.test(stdout), false, stdout);
});
