/**
 * The peers in Go, built from `bench/go` where there is a Go.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { tempDir } from "../../tests/machine/temp_dir.ts";

/** Programs that were built; disposing removes them. */
export interface GoPrograms extends AsyncDisposable {
  /** The one with clientv3. */
  readonly client: string;
  /** The one with an etcd inside it. */
  readonly embedded: string;
  /** Which Go built them. */
  readonly version: string;
}

/** Where Go usually stands when it is not in the PATH. */
const USUAL_GO = "/usr/local/go/bin/go";
const SOURCE = fileURLToPath(new URL("../go", import.meta.url));

/** Builds them; undefined, and a word why, where that is not possible. */
export async function buildGoPrograms(
  say: (text: string) => void,
): Promise<GoPrograms | undefined> {
  const found = await findGo();
  if (found === undefined) {
    say("Go was not found: its peers are left out");
    return undefined;
  }
  say("building the peers in Go");
  const dir = await tempDir();
  const { success } = await new Deno.Command(found.go, {
    args: ["build", "-o", `${dir.path}/`, "./client", "./embedded"],
    cwd: SOURCE,
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) {
    await dir[Symbol.asyncDispose]();
    say("bench/go could not be built: its peers are left out");
    return undefined;
  }
  return {
    client: `${dir.path}/client`,
    embedded: `${dir.path}/embedded`,
    version: found.version,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

async function findGo(): Promise<
  { readonly go: string; readonly version: string } | undefined
> {
  for (const go of ["go", USUAL_GO]) {
    const command = new Deno.Command(go, {
      args: ["env", "GOVERSION"],
      stderr: "null",
    });
    const found = await command.output().catch(() => undefined);
    if (!found?.success) continue;
    return { go, version: new TextDecoder().decode(found.stdout).trim() };
  }
  return undefined;
}
