/**
 * Bundles kat-agent: one folder of JavaScript that needs nothing else.
 *
 * @module
 */

import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { assertBundleClosed, assertSourcesNamed } from "./check_bundle.ts";
import { runProgram } from "./run_program.ts";

/** A late import as the bundler writes it. */
const LATE_IMPORT = /\bimport\(("\.\/[\w.-]+\.js")\)/g;
/** The same, looked up when it runs. */
const LATE_LOOKUP = "import(import.meta.resolve($1))";

/** The top of the checkout. */
export const ROOT: string = fileURLToPath(new URL("..", import.meta.url));

/** The two forms of the one file. */
export const FORMS = ["compiled", "portable"] as const;
/** One of {@linkcode FORMS}. */
export type Form = typeof FORMS[number];

/** Where the agent begins. */
const MAIN = "main.ts";
/** Where its Workers begin: in the bundle, all files lie side by side. */
export const WORKERS = ["member_worker", "store_worker"] as const;
/** What each thread runs first; the bundler itself keeps no order among files. */
const FIRST = "close_storage";

/**
 * What V8 is told: not to compile, which an agent that mostly waits does not
 * need and pays for with a fifth of its memory, to let it ask for a collection
 * once it has started (`src/base/settle_memory.ts`), and not to collect of its
 * own accord whenever little happens, which takes a quarter of an idle agent's
 * processor time; it still does where memory is wanted.
 */
export const V8_FLAGS = "--lite-mode,--expose-gc,--no-memory-reducer";

/**
 * Writes the bundle into `directory`, with a `deno.json` that holds the
 * permission sets. What is loaded late is in files of its own: `version` then
 * starts in half the time. Names stay as they are, for traces in bug reports.
 *
 * @throws {KatError} if something in it names a file or data from elsewhere.
 */
export async function bundleAgent(
  directory: string,
  { form }: { readonly form: Form },
): Promise<void> {
  const stage = await Deno.makeTempDir({ prefix: "kat-bundle-" });
  try {
    const build = { form, commit: await commitOf(ROOT) };
    await copySources(stage);
    const entries: string[] = [MAIN];
    for (
      const path of [
        ...WORKERS.map((name) => `agent/parts/${name}.ts`),
        `base/${FIRST}.ts`,
      ]
    ) {
      entries.push(basename(path));
      await Deno.writeTextFile(
        join(stage, basename(path)),
        `import "./src/${path}";\n`,
      );
    }
    await Deno.writeTextFile(
      join(stage, "src", "base", "build.json"),
      JSON.stringify(build),
    );
    await assertSourcesNamed(stage, { entries });
    await runProgram(Deno.execPath(), [
      "bundle",
      "--quiet",
      "--frozen",
      "--platform=deno",
      "--code-splitting",
      `--config=${join(stage, "deno.json")}`,
      `--outdir=${directory}`,
      ...entries,
    ], { cwd: stage });
    await finishFiles(directory, stage);
  } finally {
    await Deno.remove(stage, { recursive: true });
  }
  const { permissions, unstable } = JSON.parse(
    await Deno.readTextFile(join(ROOT, "deno.json")),
  );
  await Deno.writeTextFile(
    join(directory, "deno.json"),
    // A workspace of its own: Deno then looks for no other above it.
    JSON.stringify({ workspace: [], permissions, unstable }, null, 2) + "\n",
  );
  await assertBundleClosed(directory);
}

/** The commit that is checked out, with a word if files differ from it. */
async function commitOf(checkout: string): Promise<string> {
  const git = (...args: string[]) =>
    runProgram("git", args, { cwd: checkout }).catch(() => "");
  const commit = (await git("rev-parse", "--short=12", "HEAD")).trim();
  if (commit === "") return "unknown";
  const changes = await git("status", "--porcelain", "--untracked-files=no");
  return changes === "" ? commit : `${commit} with changes`;
}

async function copySources(stage: string): Promise<void> {
  const files = [MAIN, "deno.json", "deno.lock"];
  for await (const path of sourcesIn("src")) files.push(path);
  for (const path of files) {
    await Deno.mkdir(dirname(join(stage, path)), { recursive: true });
    await Deno.copyFile(join(ROOT, path), join(stage, path));
  }
}

async function* sourcesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    const path = join(folder, name);
    if (isDirectory) yield* sourcesIn(path);
    else if (!name.endsWith("_test.ts")) yield path;
  }
}

/**
 * Packages are named in the bundle by where this machine caches them. And Deno
 * loads what an import names, also a late one, before the first line runs and
 * keeps its text: so late imports get a name that it cannot see. Workers may
 * read no files later, and load all at their start.
 */
async function finishFiles(
  directory: string,
  stage: string,
): Promise<void> {
  const info = await runProgram(Deno.execPath(), ["info", "--json"], {
    cwd: ROOT,
  });
  const cache = relative(await Deno.realPath(stage), JSON.parse(info).denoDir);
  for await (const { name } of Deno.readDir(directory)) {
    const path = join(directory, name);
    const text = (await Deno.readTextFile(path))
      .replaceAll(`${cache}/npm/`, "npm/");
    const isWorker = WORKERS.some((worker) => name === `${worker}.js`);
    const isEntry = isWorker || name === "main.js";
    await Deno.writeTextFile(
      path,
      (isEntry ? `import "./${FIRST}.js";\n` : "") +
        (isWorker ? text : text.replaceAll(LATE_IMPORT, LATE_LOOKUP)),
    );
  }
}
