/**
 * Runs other programs to their end.
 *
 * @module
 */

/** What a command printed and how it ended. */
export interface CommandResult {
  /** Its exit code. */
  readonly code: number;
  /** Its standard output. */
  readonly stdout: string;
  /** Its standard error. */
  readonly stderr: string;
}

/** Runs a command and returns what it printed as text. */
export async function outputOf(command: Deno.Command): Promise<CommandResult> {
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** Runs a program and returns what it printed. @throws {Error} with its stderr if it fails. */
export async function run(...command: readonly string[]): Promise<string> {
  const [program = "", ...args] = command;
  const { code, stdout, stderr } = await outputOf(
    new Deno.Command(program, { args, stdin: "null" }),
  );
  if (code !== 0) throw new Error(`${command.join(" ")}: ${stderr.trim()}`);
  return stdout.trim();
}

/** The absolute path of a program; undefined if there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  const places = [
    ...(Deno.env.get("PATH") ?? "").split(":"),
    "/usr/sbin",
    "/sbin",
  ];
  for (const place of places) {
    const path = `${place}/${name}`;
    const info = await Deno.stat(path).catch(() => undefined);
    if (place !== "" && info?.isFile) return path;
  }
  return undefined;
}
