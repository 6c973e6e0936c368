/**
 * A machine with a real systemd as its first process, made of namespaces: its
 * own processes, mounts, cgroups and name, on this machine's kernel, programs
 * and network.
 *
 * @module
 */

import { fail } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";
import { type CommandResult, outputOf } from "./command_output.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SCRIPT = fileURLToPath(new URL("./enter_systemd.sh", import.meta.url));

/** A machine that has booted; disposing ends it and all that runs in it. */
export interface SystemdMachine extends AsyncDisposable {
  /** Runs a command as root. */
  readonly run: (...command: string[]) => Promise<CommandResult>;
  /** Runs a command as root that must succeed; returns what it printed. */
  readonly read: (...command: string[]) => Promise<string>;
  /** Ends it without a warning to its processes. */
  readonly cutPower: () => Promise<void>;
}

/**
 * Boots a machine. `dir` is its disk: what it wrote to `/etc` and `/var` is
 * there again at the next boot on the same, and it is `/opt/box` in it; the
 * repository is `/opt/repository`.
 */
export async function bootSystemd(dir: string): Promise<SystemdMachine> {
  const cgroup = `${await cgroupRoot()}/kat-test-${crypto.randomUUID()}`;
  const child = new Deno.Command("sh", {
    args: [SCRIPT, cgroup, dir, ROOT, Deno.execPath(), await denoDir()],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let ended = false;
  let said = "";
  const end = child.output().then(({ stderr }) => {
    said = new TextDecoder().decode(stderr);
    ended = true;
  });
  let init: string | undefined;

  async function run(...command: string[]): Promise<CommandResult> {
    if (init === undefined) fail("The machine has not booted");
    return await output("nsenter", [
      `--target=${init}`,
      ...["--pid", "--mount", "--uts", "--cgroup", "--"],
      ...command,
    ]);
  }

  async function read(...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(...command);
    if (code !== 0) fail(`${command.join(" ")}: ${code}\n${stdout}${stderr}`);
    return stdout.trim();
  }

  let cut: Promise<void> | undefined;
  const cutPower = () => cut ??= endAll();

  async function endAll(): Promise<void> {
    // The end of their first process ends all in the namespace.
    if (!ended) Deno.kill(Number(init || child.pid), "SIGKILL");
    await end;
    await eventually(() => removeCgroup(cgroup));
  }

  try {
    await eventually(async () => {
      if (ended) fail(`The machine ended while it booted: ${said}`);
      const children = await Deno.readTextFile(
        `/proc/${child.pid}/task/${child.pid}/children`,
      );
      init = children.trim() || fail("No first process yet");
      const { stdout } = await run("systemctl", "is-system-running");
      if (stdout.trim() !== "running") fail(`It is ${stdout}`);
    }, { everyMs: 200, withinMs: 60_000 });
  } catch (error) {
    await cutPower();
    throw error;
  }
  return { run, read, cutPower, [Symbol.asyncDispose]: cutPower };
}

/** Why no such machine can be made here; `undefined` if one can. */
export async function whyNoSystemd(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "this is no Linux";
  if (Deno.uid() !== 0) return "only root may make namespaces";
  try {
    await output("systemctl", ["--version"]);
  } catch {
    return "systemd is not installed";
  }
  try {
    const cgroup = `${await cgroupRoot()}/kat-test-${crypto.randomUUID()}`;
    await Deno.mkdir(cgroup);
    await Deno.remove(cgroup);
    const filesystems = await Deno.readTextFile("/proc/filesystems");
    if (!/\boverlay$/m.test(filesystems)) return "there is no overlay";
    const { code, stderr } = await output("unshare", [
      ...["--pid", "--fork", "--mount", "--propagation=private"],
      ...["--uts", "--cgroup", "mount", "-t", "tmpfs", "tmpfs", "/opt"],
    ]);
    return code === 0 ? undefined : stderr.trim();
  } catch (error) {
    return String(error);
  }
}

/** Where the unified hierarchy of control groups is. */
async function cgroupRoot(): Promise<string> {
  const mounts = await Deno.readTextFile("/proc/self/mounts");
  return /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1] ??
    fail("There are no unified control groups");
}

/** A control group goes from its leaves, and only once the kernel has forgotten its processes. */
async function removeCgroup(path: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory) await removeCgroup(`${path}/${name}`);
  }
  await Deno.remove(path);
}

async function denoDir(): Promise<string> {
  const { stdout } = await output(Deno.execPath(), ["info", "--json"]);
  return JSON.parse(stdout).denoDir;
}

async function output(
  command: string,
  args: readonly string[],
): Promise<CommandResult> {
  return await outputOf(
    new Deno.Command(command, {
      args: [...args],
      clearEnv: true,
      env: {
        PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
        SYSTEMD_COLORS: "0",
        SYSTEMD_PAGER: "",
      },
      stdin: "null",
    }),
  );
}
