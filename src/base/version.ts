/**
 * Which kat-agent this is.
 *
 * @module
 */

import manifest from "../../deno.json" with { type: "json" };
import build from "./build.json" with { type: "json" };

/** The version in `deno.json`, as `0.1.0`. */
export const VERSION: string = manifest.version;

/** What the file that runs was made of; `build.json` is written by the build. */
export const BUILD: string = describeBuild(build);

/** For people: the form of this build and its commit. */
function describeBuild(
  { form, commit }: { readonly form: string; readonly commit: string },
): string {
  if (form === "source") return "from source";
  return form === "portable"
    ? `portable form, commit ${commit}`
    : `commit ${commit}`;
}
