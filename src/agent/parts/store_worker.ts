/**
 * Where the Worker of {@linkcode StorePart} begins.
 *
 * @module
 */

import { serveCalls } from "../../base/worker/serve_calls.ts";
import type { StoreCalls } from "./store_part.ts";

serveCalls<StoreCalls>(async () => {
  const { storeCalls } = await import("./serve_store.ts");
  return storeCalls;
});
