/**
 * Runs small shell scripts that read what the system knows.
 *
 * Deno lets a program open files under `/proc` only if it has every permission,
 * and the agent does not. The standard programs of the system can open them,
 * and the agent may start programs until it drops that permission.
 *
 * @module
 */

/** The directories of the standard programs: where to look for those, instead of on the user's own PATH. */
export const SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin";
/** The exit codes of a shell that could not run, or not find, a program. */
const NOT_RUN: readonly number[] = [126, 127];

/**
 * Runs `script` with `args` as its `$1`, `$2`, … and returns what it prints.
 * What it could not read is missing there.
 *
 * @throws {Error} if there is no shell, a program of the script is missing, or
 * this thread may not start programs.
 */
export async function runScript(
  script: string,
  ...args: readonly string[]
): Promise<string> {
  assertMayRun(await Deno.permissions.query(SHELL_PERMISSION));
  return printed(await shell(script, args).output());
}

/** Does the same as {@linkcode runScript}, and blocks this thread until it is done. */
export function runScriptSync(
  script: string,
  ...args: readonly string[]
): string {
  assertMayRun(Deno.permissions.querySync(SHELL_PERMISSION));
  return printed(shell(script, args).outputSync());
}

const SHELL_PERMISSION = { name: "run", command: "sh" } as const;

/** Without this check Deno would ask the user at the terminal for the permission. */
function assertMayRun({ state }: Deno.PermissionStatus): void {
  if (state === "granted") return;
  throw new Deno.errors.NotCapable("No permission to look at processes");
}

function shell(script: string, args: readonly string[]): Deno.Command {
  return new Deno.Command("sh", {
    args: ["-c", script, "sh", ...args],
    clearEnv: true,
    env: { PATH: SYSTEM_PATH, LC_ALL: "C" },
    stdin: "null",
    stderr: "null",
  });
}

function printed({ code, stdout }: Deno.CommandOutput): string {
  if (NOT_RUN.includes(code)) {
    throw new Deno.errors.NotFound("A standard program is missing");
  }
  return new TextDecoder().decode(stdout);
}
