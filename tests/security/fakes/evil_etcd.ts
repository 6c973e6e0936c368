/**
 * A program in etcd's place that leaves a mark when it is run, and then is
 * etcd, so that nothing else betrays it.
 *
 * @module
 */

import { etcdBinaries } from "../../machine/tested_etcd.ts";

/** An evil program. */
export interface EvilEtcd {
  /** Its path. */
  readonly path: string;
  /** Its text. */
  readonly script: string;
  /** What it has been run for so far, a line each; empty if it never was. */
  readonly runs: () => Promise<string>;
}

/** Writes the program into `dir`. */
export async function evilEtcd(dir: string): Promise<EvilEtcd> {
  const mark = `${dir}/pwned`;
  const path = `${dir}/evil-etcd`;
  const script =
    `#!/bin/sh\necho "$*" >> ${mark}\nexec ${etcdBinaries.etcd} "$@"\n`;
  await Deno.writeTextFile(path, script, { mode: 0o755 });
  return {
    path,
    script,
    runs: () => Deno.readTextFile(mark).catch(() => ""),
  };
}
