/**
 * A Worker that tries to write to disk by the Cache API, as a compromised
 * package in it would: while its code is loaded, and once it serves.
 *
 * @module
 */

import { serveMethods } from "../../src/base/worker/serve_methods.ts";

/** What it does when asked. */
export interface FillMethods {
  /** Writes so many bytes; returns `done`, or the name of the error. */
  fill(bytes: number): Promise<string>;
}

async function fill(bytes: number): Promise<string> {
  try {
    const cache = await caches.open("filled");
    const body = new Uint8Array(bytes).fill(0x61);
    await cache.put(`https://example.com/${bytes}`, new Response(body));
    return "done";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

// What a method needs is loaded when the Worker is, as a package of it would be.
serveMethods<FillMethods, never>(async () => {
  await fill(1);
  return { methods: { fill } };
});
