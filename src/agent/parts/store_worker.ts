/**
 * Where the thread of {@linkcode StorePart} begins.
 *
 * @module
 */

import { serveMethods } from "../../base/worker/serve_methods.ts";
import type { StoreHost, StoreMethods } from "./store_part.ts";

serveMethods<StoreMethods, StoreHost>(async () => {
  const { storeMethods } = await import("./serve_store.ts");
  const { THREAD_ERRORS } = await import("./thread_errors.ts");
  return { methods: storeMethods(), errors: THREAD_ERRORS };
});
