/**
 * Reads Linux's `/proc`. The product's own reader, `process_table.ts`, must go
 * through a shell; tests do not use it, because it may be what is wrong.
 *
 * @module
 */

/** The IDs of the processes whose command line names `path`, this one excepted. */
export async function processesNaming(path: string): Promise<number[]> {
  return await processesWhose((args) =>
    args.some((argument) => argument.includes(path))
  );
}

/** The IDs of the etcd processes on a data directory. */
export async function etcdsOn(dataDir: string): Promise<number[]> {
  return await processesWhose((args) =>
    args.includes(`--data-dir=${dataDir}`) &&
    /^etcd[^/]*$/.test(args[0]?.split("/").at(-1) ?? "")
  );
}

/** Zombies are left out. */
async function processesWhose(
  fits: (args: readonly string[]) => boolean,
): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    if (!fits(await commandLine(pid))) continue;
    if (!["Z", undefined].includes(await processState(pid))) found.push(pid);
  }
  return found;
}

/** The arguments of a process; none if it has ended. */
export async function commandLine(pid: number): Promise<string[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  return text.split("\0").slice(0, -1);
}

/** The state letter of a process, as `T` for stopped; undefined if it has ended. */
export async function processState(pid: number): Promise<string | undefined> {
  return (await statFields(pid).catch(() => undefined))?.[0];
}

/** The fields of `/proc/PID/stat` from the third on: the name before may hold anything. */
export async function statFields(pid: number): Promise<string[]> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Reads a table of numbers, as `VmRSS` (in KiB) of "status"; returns how to get one by name. */
export async function processNumbers(
  pid: number,
  table: "status" | "io",
): Promise<(name: string) => number> {
  const text = await Deno.readTextFile(`/proc/${pid}/${table}`);
  return (name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
}

/** What a process has open, as paths or `socket:[INODE]`. */
export async function openFiles(pid: number): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    found.push(await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => ""));
  }
  return found;
}

/** Sends a signal; a process that has ended is left alone. */
export function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch {
    // It has ended already.
  }
}
