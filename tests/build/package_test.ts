/**
 * The package as another program uses it: from a directory of its own, with
 * `@kat/agent` linked to this checkout.
 */

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { tempDir } from "../machine/temp_dir.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = await Deno.readTextFile(`${ROOT}examples/store_program.ts`);
const { exports, version } = JSON.parse(
  await Deno.readTextFile(`${ROOT}deno.json`),
);
const PERMISSIONS = ["--allow-env", "--allow-net", "--allow-sys"];

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program that imports the package until it ends by itself. */
async function runUser(
  program: string,
  { permissions, args = [] }: {
    readonly permissions: readonly string[];
    readonly args?: readonly string[];
  },
): Promise<Ended> {
  await using dir = await tempDir();
  await Deno.writeTextFile(
    `${dir.path}/deno.json`,
    JSON.stringify({
      links: [ROOT],
      imports: { "@kat/agent": `jsr:@kat/agent@${version}` },
    }),
  );
  await Deno.copyFile(`${ROOT}deno.lock`, `${dir.path}/deno.lock`);
  await Deno.writeTextFile(`${dir.path}/program.ts`, program);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      ...permissions,
      "program.ts",
      ...args,
    ],
    cwd: dir.path,
    env: { NO_COLOR: "1" },
    stdin: "null",
    // A program whose write is refused would watch for ever.
    signal: AbortSignal.timeout(60_000),
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

for (const name of Object.keys(exports)) {
  Deno.test(`import "@kat/agent${name.slice(1)}" runs nothing and logs nothing`, async () => {
    // gRPC, which the store on etcd loads, reads the environment.
    const permissions = name === "./store" ? ["--allow-env"] : [];
    const ended = await runUser(
      `import * as all from "@kat/agent${name.slice(1)}";
       if (Object.keys(all).length === 0) throw new Error("nothing is exported");`,
      { permissions },
    );

    deepStrictEqual(ended, { code: 0, stdout: "", stderr: "" });
  });
}

Deno.test('import "@kat/agent" loads nothing of etcd', async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "info",
      "--json",
      `--config=${ROOT}deno.json`,
      `${ROOT}${exports["."]}`,
    ],
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly modules: readonly { readonly specifier: string }[];
  };
  const loaded = modules.map(({ specifier }) => specifier)
    .filter((one) => /\/src\/etcd\/|^npm:/.test(one));
  deepStrictEqual(loaded, []);
});

/** What the example prints, on whichever store. */
const SAID = `get: red, true
leader: example, written: true
watch: put /example/colour = green
leader now: none
`;

Deno.test("examples/store_program.ts gets, puts, watches and writes as leader in memory", async () => {
  const ended = await runUser(PROGRAM, { permissions: PERMISSIONS });

  deepStrictEqual(ended, { code: 0, stdout: SAID, stderr: "" });
});

Deno.test("examples/store_program.ts gets, puts, watches and writes as leader on etcd", async () => {
  await using etcd = await startTestEtcd();
  const args = [etcd.endpoint];
  const ended = await runUser(PROGRAM, { permissions: PERMISSIONS, args });

  deepStrictEqual(ended, { code: 0, stdout: SAID, stderr: "" });
  strictEqual(
    await etcd.ctl("get", "--print-value-only", "/example/colour"),
    "green",
  );
});
