/**
 * The one file that people download, built for a test.
 *
 * @module
 */

import { basename } from "node:path";
import { buildAgent } from "../../scripts/build_agent.ts";
import { thisTarget } from "../../scripts/targets.ts";
import { type CommandResult, outputOf } from "./command_output.ts";
import { tempDir } from "./temp_dir.ts";

/** A built file, beside which a test may make directories. */
export interface BuiltFile extends AsyncDisposable {
  /** A directory that every user may enter. */
  readonly dir: string;
  /** The file. */
  readonly path: string;
  /** Its form. */
  readonly form: "compiled" | "portable";
}

/** Options of {@linkcode bareCommand}. */
export interface BareOptions {
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The current directory. */
  readonly cwd: string;
  /** Whether to stay root where the test is. @default {false} */
  readonly asRoot?: boolean;
}

/** The ID of the user `nobody`, which exists on every system. */
const ORDINARY_USER = 65534;

/** Copies the file in `KAT_TEST_AGENT`, or builds one in a form that can be had. */
export async function builtFile(): Promise<BuiltFile> {
  const dir = await tempDir();
  await Deno.chmod(dir.path, 0o755);
  const path = `${dir.path}/kat-agent`;
  const given = Deno.env.get("KAT_TEST_AGENT");
  const target = thisTarget();
  if (given) await Deno.copyFile(given, path);
  else if (target) {
    await buildAgent(path, { wanted: "any", target, say: () => {} });
  } else throw new Error(`Nothing is built for ${Deno.build.target}`);
  const start = await Deno.open(path);
  const magic = new Uint8Array(2);
  await start.read(magic);
  start.close();
  return {
    dir: dir.path,
    path,
    form: new TextDecoder().decode(magic) === "#!" ? "portable" : "compiled",
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** A command in an empty environment, run by an ordinary user. */
export function bareCommand(
  program: string,
  args: readonly string[],
  { env, cwd, asRoot = false }: BareOptions,
): Deno.Command {
  const user = `${ORDINARY_USER}`;
  const line = Deno.uid() === 0 && !asRoot
    ? [
      "/usr/bin/setpriv",
      `--reuid=${user}`,
      `--regid=${user}`,
      "--clear-groups",
    ]
    : [];
  const [first = "", ...rest] = [...line, program, ...args];
  return new Deno.Command(first, {
    args: rest,
    clearEnv: true,
    env,
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a {@linkcode bareCommand} to its end. */
export async function runBare(
  program: string,
  args: readonly string[],
  options: BareOptions,
): Promise<CommandResult> {
  return await outputOf(bareCommand(program, args, options));
}

/** Makes a directory that belongs to the ordinary user. */
export async function ownDir(parent: string, name: string): Promise<string> {
  const path = `${parent}/${basename(name)}`;
  await Deno.mkdir(path, { mode: 0o700 });
  if (Deno.uid() === 0) await Deno.chown(path, ORDINARY_USER, ORDINARY_USER);
  return path;
}
