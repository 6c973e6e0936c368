/**
 * Builds the one file, in the form that can be had.
 *
 * @module
 */

import { join } from "node:path";
import { extract } from "tar";
import { KatError } from "../src/base/errors.ts";
import { VERSION } from "../src/base/version.ts";
import { bundleAgent, type Form, FORMS, ROOT } from "./bundle_agent.ts";
import { makeCompiled } from "./compiled_form.ts";
import { makePortable } from "./portable_form.ts";
import { runProgram } from "./run_program.ts";
import { type Target, thisTarget } from "./targets.ts";

/** Options of {@linkcode buildAgent}. */
export interface BuildOptions {
  /** The form to make; `any` is the compiled one if it can be had. */
  readonly wanted: Form | "any";
  /** What the file is for. */
  readonly target: Target;
  /** Tells people what goes on, a line at a time. */
  readonly say: (text: string) => void;
}

/** Whether `text` names a form, or `any`. */
export function isWantedForm(text: string): text is Form | "any" {
  return text === "any" || FORMS.some((form) => form === text);
}

/**
 * Writes the file `output` and returns its form. A file for the platform at
 * hand has been run once.
 *
 * @throws {KatError} if no form that is wanted can be had.
 */
export async function buildAgent(
  output: string,
  { wanted, target, say }: BuildOptions,
): Promise<Form> {
  let form: Form | undefined;
  if (wanted !== "portable") {
    await using bundle = await bundled("compiled");
    const why = await makeCompiled(output, { bundle: bundle.path, target });
    if (why === undefined) form = "compiled";
    else if (wanted === "compiled") {
      throw new KatError(`Cannot compile: ${why}`);
    } else say(`Not the compiled form: ${why}`);
  }
  if (form === undefined) {
    await using bundle = await bundled("portable");
    const runtime = await denoFor(target);
    await makePortable(output, { bundle: bundle.path, runtime, target });
    form = "portable";
  }
  if (target === thisTarget()) await tryOut(output);
  return form;
}

async function bundled(
  form: Form,
): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "kat-build-" });
  const bundle = {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
  await bundleAgent(path, { form });
  return bundle;
}

/** The Deno that runs this, or the same version for another platform, from npm. */
async function denoFor(target: Target): Promise<string> {
  if (target === thisTarget()) return Deno.execPath();
  const directory = join(
    ROOT,
    ".cache",
    "runtimes",
    `${target.name}-${Deno.version.deno}`,
  );
  const deno = join(directory, "deno");
  if (await Deno.stat(deno).then(() => true, () => false)) return deno;
  const work = await Deno.makeTempDir({ prefix: "kat-runtime-" });
  const wanted = `${target.denoPackage}@${Deno.version.deno}`;
  try {
    const said = await runProgram("npm", ["pack", "--silent", wanted], {
      cwd: work,
    });
    await extract({ file: join(work, said.trim()), cwd: work, strip: 1 });
    await Deno.mkdir(directory, { recursive: true });
    await Deno.copyFile(join(work, "deno"), `${deno}.new`);
    await Deno.rename(`${deno}.new`, deno);
    return deno;
  } catch (error) {
    throw new KatError(
      `Cannot get ${wanted} from npm, a Deno for ${target.name}`,
      { cause: error },
    );
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** A file that does not start here is not a build, and does not stay. */
async function tryOut(output: string): Promise<void> {
  const cache = await Deno.makeTempDir({ prefix: "kat-try-" });
  try {
    const said = await runProgram(output, ["version"], {
      cwd: cache,
      env: { KAT_CACHE_DIR: cache },
    });
    if (!said.startsWith(`kat-agent ${VERSION} `)) {
      throw new KatError(`it answers "${said}" to version`);
    }
  } catch (error) {
    await Deno.remove(output);
    throw error;
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}
