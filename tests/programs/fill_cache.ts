/**
 * A Worker that tries to write to disk by the Cache API, as a compromised
 * package in it would: while its code is loaded, and once it serves.
 *
 * @module
 */

import { serveCalls } from "../../src/base/worker/serve_calls.ts";

/** What it can be asked. */
export interface FillCalls {
  /** Writes so many bytes; returns `done`, or the name of the error. */
  readonly fill: {
    readonly input: number;
    readonly news: never;
    readonly result: string;
  };
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

// What a call needs is loaded when the part is, as a package of it would be.
serveCalls<FillCalls>(async () => {
  await fill(1);
  return { fill };
});
