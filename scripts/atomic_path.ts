/**
 * A file that appears under its name only when it is complete.
 *
 * @module
 */

import { dirname, join } from "node:path";

/** A file being made; disposing removes it unless it was finished. */
export interface AtomicPath extends AsyncDisposable {
  /** Where to write. */
  readonly path: string;
  /** Gives it its mode and its name. */
  readonly finish: (mode: number) => Promise<void>;
}

/** Begins a file that will be `target`, on the same file system. */
export async function atomicPath(target: string): Promise<AtomicPath> {
  await Deno.mkdir(dirname(target), { recursive: true });
  const directory = await Deno.makeTempDir({
    dir: dirname(target),
    prefix: ".making-",
  });
  const path = join(directory, "file");
  return {
    path,
    async finish(mode) {
      await Deno.chmod(path, mode);
      await Deno.rename(path, target);
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(directory, { recursive: true });
    },
  };
}
