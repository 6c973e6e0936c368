/**
 * Prints what {@linkcode checkWritable} says of its argument: a program, so
 * that a test can run it where other file systems are mounted.
 *
 * @module
 */

import { messageOf } from "../../src/base/errors.ts";
import { checkWritable } from "../../src/etcd/data/writable_dir.ts";

if (import.meta.main) {
  const said = await checkWritable(Deno.args[0] ?? "").then(
    () => "ok",
    messageOf,
  );
  await Deno.stdout.write(new TextEncoder().encode(said));
}
