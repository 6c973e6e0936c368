/**
 * Refuses a bundle that names anything but its own files.
 *
 * Deno loads what an import names literally with the rights of the main
 * thread, before the first line runs: a package that says
 * `import("file:///etc/shadow", { with: { type: "text" } })` in a thread
 * without rights would have the text. What is named when it runs, Deno refuses
 * there. The bundler, too, reads whatever an import names, and packs it.
 *
 * @module
 */

import { pathToFileURL } from "node:url";
import { KatError } from "../src/base/errors.ts";
import { runProgram } from "./run_program.ts";

/** Where it may come from: the project, and packages, whose sums `deno.lock` has. */
const SOURCES =
  /^(?:src\/[\w./-]+|npm\/registry\.npmjs\.org\/[\w@./-]+|\w+\.ts|deno\.json)$/;
/** The bundler's line before each module, and other comments that begin a line. */
const ORIGIN = /^\/\/ (.*)$/gm;
const NO_ORIGIN = "@__NO_SIDE_EFFECTS__";

/** A late import, whichever phase it asks for. */
const LATE_IMPORT = /\bimport\s*(?:\.\s*(?!meta\b)\w+\s*)?\([^)]*\)?/g;
/** Those that are known: a file beside it, also one that is looked up when it runs. */
const OWN_LATE_IMPORT =
  /^import\((?:import\.meta\.resolve\()?"\.\/([\w.-]+\.js)"\)$/;
/** One of the runtime's own modules, which is no file. */
const NODE_LATE_IMPORT = /^import\("node:[\w/]+"\)$/;
/** What another module is named by in a bundle. */
const OWN_IMPORT = /^\.\/([\w.-]+\.js)$/;

/** Options of {@linkcode assertSourcesNamed}. */
export interface SourcesOptions {
  /** Where threads begin, in the folder. */
  readonly entries: readonly string[];
}

/**
 * Looks at sources before they are bundled.
 *
 * @throws {KatError} for an import of anything but a source or a package.
 */
export async function assertSourcesNamed(
  directory: string,
  { entries }: SourcesOptions,
): Promise<void> {
  const top = `${pathToFileURL(directory)}/`;
  for (const { specifier, imports } of await modulesOf(directory, entries)) {
    for (const { written, resolved } of imports) {
      if (/^(?:node|npm):/.test(resolved)) continue;
      if (!/^(?:\/|[\w+-]+:)/.test(written) && resolved.startsWith(top)) {
        continue;
      }
      throw refused(specifier.slice(top.length), written);
    }
  }
}

/**
 * Looks at a bundle as it will run.
 *
 * @throws {KatError} for an import of anything but its own files, and for what
 * was packed from elsewhere.
 */
export async function assertBundleClosed(directory: string): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(directory)))
    .map(({ name }) => name).filter((name) => name !== "deno.json");
  const isOwn = (name = "") => names.includes(name);
  for (const name of names) {
    const text = await Deno.readTextFile(`${directory}/${name}`);
    for (const [, origin = ""] of text.matchAll(ORIGIN)) {
      if (origin !== NO_ORIGIN && !SOURCES.test(origin)) {
        throw refused(name, origin);
      }
    }
    for (const [written] of text.matchAll(LATE_IMPORT)) {
      if (NODE_LATE_IMPORT.test(written)) continue;
      if (!isOwn(OWN_LATE_IMPORT.exec(written)?.[1])) {
        throw refused(name, written);
      }
    }
  }
  // As Deno itself reads it.
  for (const { specifier, imports } of await modulesOf(directory, names)) {
    for (const { written } of imports) {
      if (written.startsWith("node:")) continue;
      if (isOwn(OWN_IMPORT.exec(written)?.[1])) continue;
      throw refused(specifier, written);
    }
  }
}

function refused(where: string, written: string): KatError {
  return new KatError(
    `Cannot bundle: ${where} has the specifier ${JSON.stringify(written)}`,
    {
      hint:
        "Import only sources and packages, by literal names: Deno loads others with the rights of the main thread",
    },
  );
}

interface Module {
  readonly specifier: string;
  readonly imports: readonly {
    /** As the module says it. */
    readonly written: string;
    /** What Deno makes of it. */
    readonly resolved: string;
  }[];
}

/** What `deno info` prints of a module. */
interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

/** The modules that some files of a folder reach, as Deno finds them. */
async function modulesOf(
  directory: string,
  names: readonly string[],
): Promise<Module[]> {
  const imports = names.map((name) =>
    `import ${JSON.stringify(`${pathToFileURL(directory)}/${name}`)};`
  ).join("");
  const entry = `data:text/javascript,${encodeURIComponent(imports)}`;
  const info = await runProgram(Deno.execPath(), [
    "info",
    "--json",
    `--config=${directory}/deno.json`,
    entry,
  ], { cwd: directory });
  const { modules } = JSON.parse(info) as { readonly modules: ModuleInfo[] };
  return modules.filter(({ specifier }) => specifier !== entry)
    .map(({ specifier, dependencies = [] }) => ({
      specifier,
      imports: dependencies.map(({ specifier: written, code, type }) => ({
        written,
        resolved: code?.specifier ?? type?.specifier ?? "",
      })),
    }));
}
