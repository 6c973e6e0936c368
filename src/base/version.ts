/**
 * The version of kat-agent, and how this file was built.
 *
 * @module
 */

import manifest from "../../deno.json" with { type: "json" };
import build from "./build.json" with { type: "json" };

/** The version in `deno.json`, as `0.1.0`. */
export const VERSION: string = manifest.version;

/** The form of this build, for people; the build writes it to `build.json`. */
export const BUILD: string = describeBuild(build);

/** The form of this build and its commit, in words. */
function describeBuild(
  { form, commit }: { readonly form: string; readonly commit: string },
): string {
  if (form === "source") return "from source";
  return form === "portable"
    ? `portable form, commit ${commit}`
    : `commit ${commit}`;
}
