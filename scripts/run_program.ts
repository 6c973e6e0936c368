/**
 * Runs a program for the tasks of this folder.
 *
 * @module
 */

import { KatError, messageOf } from "../src/base/errors.ts";

/** Options of {@linkcode runProgram}. */
export interface RunOptions {
  /** The directory to run it in. */
  readonly cwd: string;
  /** Variables besides those of this process; `undefined` takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Ends the program. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a program to its end and returns what it wrote to stdout.
 *
 * @throws {KatError} if it cannot be run or fails, with the end of its stderr.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env = {}, signal }: RunOptions,
): Promise<string> {
  const all = Object.entries({ ...Deno.env.toObject(), ...env })
    .filter((entry): entry is [string, string] => entry[1] !== undefined);
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, {
      args: [...args],
      cwd,
      clearEnv: true,
      env: Object.fromEntries(all),
      stdin: "null",
      ...(signal ? { signal } : {}),
    }).output();
  } catch (error) {
    throw new KatError(
      error instanceof Deno.errors.NotFound
        ? `there is no ${program} on PATH`
        : `cannot run ${program}: ${messageOf(error)}`,
    );
  }
  const decoder = new TextDecoder();
  if (output.success) return decoder.decode(output.stdout);
  const said = decoder.decode(output.stderr).trim().split("\n");
  throw new KatError(
    `${program} ${args[0]} ended with ${
      output.signal ?? `code ${output.code}`
    }: ${said.slice(-5).join("\n")}`,
  );
}
