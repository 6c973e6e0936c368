/**
 * What `/proc` says of processes, as proof of what was done to them.
 *
 * @module
 */

/** The state letter of a process, as `T` for stopped; undefined if it is gone. */
export async function processState(pid: number): Promise<string | undefined> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`)
    .catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[0];
}

/** The IDs of the etcd processes on a data directory, and of those that ended unwaited for. */
export async function etcdsOn(dataDir: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const args = await commandLine(pid);
    if (args.includes(`--data-dir=${dataDir}`) && isEtcd(args)) {
      if (await processState(pid) !== "Z") found.push(pid);
    }
  }
  return found;
}

/** The arguments of a process; none if it is gone. */
export async function commandLine(pid: number): Promise<string[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  return text.split("\0").slice(0, -1);
}

/** Sends a signal; a process that is gone is let be. */
export function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch {
    // It has ended already.
  }
}

function isEtcd([program = ""]: readonly string[]): boolean {
  return program.slice(program.lastIndexOf("/") + 1).startsWith("etcd");
}
