/**
 * Lists the files of the checkout.
 *
 * @module
 */

/** The paths of all files below a folder, each with the folder's path. */
export async function* filesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesIn(path);
    else yield path;
  }
}
