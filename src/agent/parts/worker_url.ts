/**
 * Where the threads of the agent begin: beside this file, in the source and in
 * the bundle that is made of it.
 *
 * @module
 */

/** The modules of Workers. */
export type WorkerName = "member_worker" | "store_worker";

/** Returns the URL of a Worker's module. */
export function workerUrl(name: WorkerName): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./${name}.${extension}`, import.meta.url);
}
