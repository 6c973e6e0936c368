/**
 * A machine within the machine: namespaces in which a run may do what it
 * likes, and which the kernel removes with all processes, networks and mounts
 * when the run ends, however it ends.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** How a run is kept apart from the machine. */
export type Sandbox =
  /** Namespaces of network, processes and mounts. */
  | "namespaces"
  /** None: the machine's own loopback. */
  | "loopback";

const INSIDE = "KAT_CHAOS_SANDBOX";
/** How long a run may take to clean up after it was told to stop, in milliseconds. */
const STOP_MS = 60_000;
const LAYERS = ["--net", "--mount", "--pid", "--fork", "--mount-proc"];

/** The sandbox that this process is in; undefined outside. */
export function currentSandbox(): Sandbox | undefined {
  const name = Deno.env.get(INSIDE);
  return name === "namespaces" || name === "loopback" ? name : undefined;
}

/**
 * Runs a program of this repository in a sandbox and returns its exit code.
 * Ends it in order when this process is told to stop, and with force when it
 * does not end or this process is killed.
 *
 * Uses namespaces where the user may make them, root or not.
 */
export async function runInSandbox(
  program: URL,
  args: readonly string[],
): Promise<number> {
  const unshare = await unshareArgs();
  // Removed from here, for the run inside may be killed.
  const temporary = await Deno.makeTempDir({ prefix: "kat-chaos-" });
  const deno = [
    Deno.execPath(),
    "run",
    "--frozen",
    "-A",
    fileURLToPath(program),
    ...args,
  ];
  // The shell is the namespace's process 1: it takes up orphans, as init does.
  const [command = "", ...commandArgs] = unshare === undefined
    ? deno
    : [...unshare, "sh", "-c", '"$@"; exit $?', "sh", ...deno];
  const child = new Deno.Command(command, {
    args: commandArgs,
    env: {
      [INSIDE]: unshare === undefined ? "loopback" : "namespaces",
      TMPDIR: temporary,
    },
    // Its end tells the run inside to stop, also if this process is killed.
    stdin: "piped",
  }).spawn();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    child.stdin.close().catch(() => {});
    timer ??= setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  };
  const signals: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  try {
    return (await child.status).code;
  } finally {
    clearTimeout(timer);
    child.stdin.close().catch(() => {});
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
    await Deno.remove(temporary, { recursive: true });
  }
}

/** Aborts when the process outside says stop, or is gone. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  const reason = new Error("The run was told to stop");
  // A terminal's Ctrl-C reaches this process, too; the end of stdin says the rest.
  Deno.addSignalListener("SIGINT", () => stop.abort(reason));
  (async () => {
    for await (const _ of Deno.stdin.readable) {
      // Nothing is ever sent.
    }
    stop.abort(reason);
  })();
  return stop.signal;
}

/** The command that makes namespaces; undefined if none may be made. */
async function unshareArgs(): Promise<string[] | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  for (const user of [[], ["--user", "--map-root-user"]]) {
    const args = [...user, ...LAYERS, "--kill-child=SIGKILL"];
    try {
      const { success } = await new Deno.Command("unshare", {
        args: [...args, "ip", "link", "add", "probe", "type", "bridge"],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) return ["unshare", ...args];
    } catch {
      return undefined;
    }
  }
  return undefined;
}
