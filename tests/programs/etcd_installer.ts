/**
 * A process that installs etcd, for tests that need several of them or have to
 * kill one: options as JSON in its argument, the outcome as JSON on stdout.
 *
 * @module
 */

import { KatError } from "../../src/base/errors.ts";
import type { EtcdRelease } from "../../src/etcd/release/etcd_release.ts";
import { installEtcd } from "../../src/etcd/release/install_etcd.ts";

/** What the process is to do. */
export interface ChildTask {
  /** The cache. */
  readonly cacheDir: string;
  /** What to install. */
  readonly release: EtcdRelease;
  /** Where from. */
  readonly url: string;
}

/** What came of it. */
export type ChildOutcome =
  | { readonly source: string; readonly etcd: string }
  | { readonly message: string; readonly hint: string | undefined };

if (import.meta.main) {
  const task = JSON.parse(Deno.args[0] ?? "") as ChildTask;
  const outcome = await install(task);
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(outcome)));
}

async function install(
  { cacheDir, release, url }: ChildTask,
): Promise<ChildOutcome> {
  try {
    const { source, etcd } = await installEtcd({
      cacheDir,
      release,
      urls: [new URL(url)],
      limits: { attempts: 2, firstPauseMs: 2 },
    });
    return { source, etcd };
  } catch (error) {
    if (!(error instanceof KatError)) throw error;
    return { message: error.message, hint: error.hint };
  }
}
