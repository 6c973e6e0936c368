/**
 * Which kat-agent this is.
 *
 * @module
 */

import manifest from "../../deno.json" with { type: "json" };

/** The version in `deno.json`, as `0.1.0`. */
export const VERSION: string = manifest.version;
