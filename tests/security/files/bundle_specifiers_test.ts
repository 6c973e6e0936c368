import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { assertBundleClosed } from "../../../scripts/check_bundle.ts";
import { tempDir } from "../../machine/temp_dir.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** What a build is made of. */
const SOURCES = ["main.ts", "deno.json", "deno.lock", "src", "scripts"];
const BUNDLE = `
import { bundleAgent } from "./scripts/bundle_agent.ts";
await bundleAgent(Deno.args[0] ?? "", { form: "portable" });
`;

interface Checkout extends AsyncDisposable {
  readonly path: string;
  /** Where the bundle goes. */
  readonly output: string;
}

/** A copy of what a build is made of, to plant something in it. */
async function checkout(): Promise<Checkout> {
  const dir = await tempDir();
  const path = `${dir.path}/checkout`;
  const output = `${dir.path}/bundle`;
  await Deno.mkdir(path);
  await Deno.mkdir(output);
  const { success } = await new Deno.Command("cp", {
    args: ["-r", ...SOURCES.map((name) => `${ROOT}${name}`), path],
  }).output();
  ok(success);
  await Deno.writeTextFile(`${path}/bundle.ts`, BUNDLE);
  return {
    path,
    output,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

async function bundle(
  { path, output }: Checkout,
): Promise<{ readonly code: number; readonly stderr: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--frozen", "--quiet", `${path}/bundle.ts`, output],
    cwd: path,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

const DATA = `data:text/javascript,${
  encodeURIComponent(
    'export { default } from "file:///etc/shadow" with { type: "text" }',
  )
}`;

/** What a compromised package could say; Deno loads it with the rights of main. */
const PLANTED: readonly (readonly [name: string, code: string])[] = [
  [
    "a late import of a file",
    'export const planted = () => import("file:///etc/passwd", { with: { type: "text" } });',
  ],
  [
    "a late import of a file as bytes",
    'export const planted = () => import("file:///etc/passwd", { with: { type: "bytes" } });',
  ],
  [
    "a late import of a file with a comment in it",
    'export const planted = () => import(/* "./x.js" */ "file:///etc/passwd", { with: { type: "text" } });',
  ],
  [
    "a late import of a path from the root",
    'export const planted = () => import("/etc/passwd", { with: { type: "text" } });',
  ],
  [
    "a late import of data",
    `export const planted = () => import("${DATA}");`,
  ],
  [
    "a late import of data whose name is escaped",
    `export const planted = () => import("\\x64ata:text/javascript,export%20{}");`,
  ],
  [
    "a late import of a template",
    "export const planted = () => import(`file:///etc/passwd`, { with: { type: 'text' } });",
  ],
  [
    "a late import from the network",
    'export const planted = () => import("https://deno.land/std/version.ts");',
  ],
  ["a static import of data", `import "${DATA}"; export const planted = 1;`],
];

const PLACES = [
  ["a thread", "src/agent/parts/member_worker.ts"],
  ["the main thread", "main.ts"],
] as const;

Deno.test("a bundle is made of the source as it is", async () => {
  await using made = await checkout();
  const { code, stderr } = await bundle(made);
  strictEqual(code, 0, stderr);
});

for (const [place, file] of PLACES) {
  for (const [name, code] of PLANTED) {
    Deno.test(`no bundle is made with ${name} in ${place}`, async () => {
      await using made = await checkout();
      await Deno.writeTextFile(
        `${made.path}/${file}`,
        // Used under a condition, so that the bundler keeps it.
        `\n${code}\nif (Date.now() < 0) console.log(planted);\n`,
        { append: true },
      );

      const said = await bundle(made);

      ok(said.code !== 0, "the bundle was made");
      match(said.stderr, /specifier|import|file:|data:|https:/i);
    });
  }
}

/** What the bundler would make of a package's code, or leave of it. */
const PACKED: readonly (readonly [name: string, text: string])[] = [
  ["a file from elsewhere", '// ../../etc/passwd\nvar passwd = "root:x";'],
  ["data", "// data:text/javascript,1\nvar one = 1;"],
  [
    "a late import of a file that was not there",
    'try { await import("file:///etc/kat/secret", { with: { type: "text" } }); } catch {}',
  ],
  ["a late import of a pattern", "var all = (x) => import(`/etc/${x}`);"],
  ["a late import of a sum", 'var all = (x) => import("/etc/" + x);'],
  ["a late import with a comment", 'import(/* x */ "./main.js");'],
  ["a late import over lines", 'import(\n  "./main.js"\n);'],
  ["a late import in phases", 'import.defer("./main.js");'],
  ["a late import of no file of its own", 'import("./other.js");'],
  ["a late import of what was found", "var late = (x) => import(x);"],
  ["a static import of data", 'import "data:text/javascript,1";'],
  ["a static import of a file", 'export { x } from "/etc/x.js";'],
];

for (const [name, text] of PACKED) {
  Deno.test(`a bundle with ${name} is refused`, async () => {
    await using dir = await tempDir();
    await Deno.writeTextFile(`${dir.path}/deno.json`, "{}");
    await Deno.writeTextFile(
      `${dir.path}/main.js`,
      'import { a } from "./a.js";\nimport "node:fs";\nimport("./a.js");\n' +
        'import(import.meta.resolve("./a.js"));\nconsole.log(a);\n',
    );
    await Deno.writeTextFile(`${dir.path}/a.js`, "export const a = 1;\n");
    await assertBundleClosed(dir.path);

    await Deno.writeTextFile(`${dir.path}/a.js`, `${text}\n`, { append: true });

    await rejects(assertBundleClosed(dir.path), /Cannot bundle: .*a\.js has/);
  });
}
