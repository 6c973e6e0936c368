/**
 * Starts a Worker without any right and lets it fill a disk; prints what came
 * of it.
 *
 * @module
 */

import { SandboxedWorker } from "../../src/base/worker/sandboxed_worker.ts";
import type { FillMethods } from "./fill_cache.ts";

if (import.meta.main) {
  using worker = SandboxedWorker.start<FillMethods>({
    module: new URL("./fill_cache.ts", import.meta.url),
    permissions: {},
  });
  const said = await worker.remote.fill(Number(Deno.args[0]));
  Deno.stdout.writeSync(new TextEncoder().encode(said));
}
