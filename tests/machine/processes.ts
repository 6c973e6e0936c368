/**
 * Which processes have to do with a directory, from `/proc`.
 *
 * @module
 */

/** The IDs of the processes whose command line names `path`, this one excepted. */
export async function processesNaming(path: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    try {
      const line = await Deno.readTextFile(`/proc/${pid}/cmdline`);
      const status = await Deno.readTextFile(`/proc/${pid}/stat`);
      const zombie = / Z /.test(status.slice(status.lastIndexOf(")")));
      if (line.includes(path) && !zombie) found.push(pid);
    } catch {
      // It ended while it was looked at.
    }
  }
  return found;
}
