/**
 * Running another program to its end.
 *
 * @module
 */

/** Options of {@linkcode run}. */
export interface RunOptions {
  /** A command that becomes the program: `nsenter` and the like. */
  readonly prefix?: readonly string[];
  /** Ends the program with force. */
  readonly signal?: AbortSignal;
  /** Its environment besides this process's. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program and returns what it printed. @throws {Error} with its stderr if it fails. */
export async function run(
  command: readonly string[],
  { prefix = [], signal, env = {} }: RunOptions = {},
): Promise<string> {
  const [program = "", ...args] = [...prefix, ...command];
  const child = new Deno.Command(program, {
    args,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kill = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", kill, { once: true });
  const { code, stdout, stderr } = await child.output()
    .finally(() => signal?.removeEventListener("abort", kill));
  const decoder = new TextDecoder();
  if (code !== 0) {
    throw new Error(`${command.join(" ")}: ${decoder.decode(stderr).trim()}`);
  }
  return decoder.decode(stdout).trim();
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
