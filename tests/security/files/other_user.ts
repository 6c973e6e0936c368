/**
 * Another user of the machine, as attacks on files need one: with programs that
 * they may run, and a directory of theirs.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { tempDir } from "../../machine/temp_dir.ts";

/** The user; exists on every system as nobody's. */
export const OTHER_USER = 65534;

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Why there can be no other user here; `undefined` if there can. */
export const whyNoOtherUser: string | undefined = Deno.build.os !== "linux"
  ? "this is no Linux"
  : Deno.uid() !== 0
  ? "only root can become another user"
  : undefined;

if (whyNoOtherUser !== undefined) {
  const text =
    `\n*** NOT TESTED: attacks by files of others, because ${whyNoOtherUser}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** What only root knows or has; an attack wants to read or change it. */
export interface Scene extends AsyncDisposable {
  /** Root's, and every user may enter it. */
  readonly path: string;
  /** The other user's, mode 0755. */
  readonly theirs: string;
}

/** Makes a directory of root's, with one of the other user's in it. */
export async function scene(): Promise<Scene> {
  const dir = await tempDir();
  await Deno.chmod(dir.path, 0o755);
  const theirs = `${dir.path}/theirs`;
  await Deno.mkdir(theirs, { mode: 0o755 });
  await giveAway(theirs);
  return {
    path: dir.path,
    theirs,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** Makes a file or directory, and all that is in it, the other user's; links are not followed. */
export async function giveAway(path: string): Promise<void> {
  await must("chown", ["-hR", `${OTHER_USER}:${OTHER_USER}`, path]);
}

/** Runs a command that must succeed. */
export async function must(
  command: string,
  args: readonly string[],
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
  }).output();
  const text = new TextDecoder();
  if (success) return text.decode(stdout).trim();
  throw new Error(`${command} ${args.join(" ")}: ${text.decode(stderr)}`);
}

/** The words that make a command line a user's, in the other user's group. */
function asUser(uid: number): string[] {
  return [
    "/usr/bin/setpriv",
    `--reuid=${uid}`,
    `--regid=${OTHER_USER}`,
    "--clear-groups",
    "--",
  ];
}

/** Options of {@linkcode startProgram}. */
export interface ProgramOptions {
  /** Its only argument, as JSON. */
  readonly task: unknown;
  /** Root's directory that the other user may enter, for a copy; absent: it runs as root. */
  readonly dir?: string;
  /** Another one than the other user, in the same group. */
  readonly uid?: number;
}

/** Starts a file of `tests/programs` that imports nothing, as the other user or as root. */
export async function startProgram(
  name: string,
  { task, dir, uid = OTHER_USER }: ProgramOptions,
): Promise<AsyncDisposable> {
  const source = `${ROOT}tests/programs/${name}`;
  const line = dir === undefined
    ? [Deno.execPath()]
    : [...asUser(uid), await reachable(Deno.execPath(), `${dir}/deno`)];
  const path = dir === undefined
    ? source
    : await reachable(source, `${dir}/${name}`);
  const [command = "", ...args] = [
    ...line,
    ...["run", "-A", "--quiet", "--no-config", "--no-lock", path],
    JSON.stringify(task),
  ];
  const denoDir = await Deno.makeTempDir();
  await Deno.chmod(denoDir, 0o777);
  const child = new Deno.Command(command, {
    args,
    env: { DENO_DIR: denoDir },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  if (done) throw new Error(`${name} does not run`);
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
      await Deno.remove(denoDir, { recursive: true });
    },
  };
}

/** A file of root's where every user can run it: under a second name, or copied. */
async function reachable(path: string, as: string): Promise<string> {
  await Deno.remove(as).catch(() => {});
  await Deno.link(path, as).catch(() => Deno.copyFile(path, as));
  return as;
}
