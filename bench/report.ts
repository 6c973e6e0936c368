/**
 * All that one run of the bench found, with what it ran on.
 *
 * @module
 */

import { arch, cpus, loadavg, release, totalmem, type } from "node:os";
import manifest from "../deno.json" with { type: "json" };
import { VERSION } from "../src/base/version.ts";
import { versionText } from "../src/etcd/etcd_version.ts";
import { etcdBinaries } from "../tests/machine/tested_etcd.ts";
import type { BenchContext, Measurement } from "./measurement.ts";

/** What a run ran on. */
export interface Surroundings {
  /** When it began, in UTC. */
  readonly date: string;
  /** The processor. */
  readonly processor: string;
  /** How many cores there are. */
  readonly cores: number;
  /** The memory, in GiB. */
  readonly memoryGib: number;
  /** The system, as `Linux 6.8.0 x64`. */
  readonly system: string;
  /** The load of the minute before: what else the machine did. */
  readonly load: number;
  /** The version of each program. */
  readonly versions: Readonly<Record<string, string>>;
}

/** One run, as `--json` writes it. */
export interface Report {
  /** What it ran on. */
  readonly on: Surroundings;
  /** Whether the numbers mean nothing. */
  readonly quick: boolean;
  /** How many rounds a case had. */
  readonly rounds: number;
  /** What was measured. */
  readonly measurements: readonly Measurement[];
}

/** Looks around. */
export async function surroundings(
  { go }: Pick<BenchContext, "go">,
): Promise<Surroundings> {
  const [processor] = cpus();
  const goModules = new URL("./go/go.mod", import.meta.url);
  const [, clientv3 = "unknown"] =
    /etcd\/client\/v3 v(\S+)/.exec(await Deno.readTextFile(goModules)) ?? [];
  return {
    date: `${new Date().toISOString().slice(0, 16)}Z`,
    processor: processor?.model ?? "unknown",
    cores: navigator.hardwareConcurrency,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${arch()}`,
    load: loadavg()[0] ?? NaN,
    versions: {
      "kat-agent": VERSION,
      etcd: versionText(etcdBinaries.version),
      Deno: Deno.version.deno,
      etcd3: manifest.imports.etcd3.replace(/^.*@/, ""),
      ...(go ? { Go: go.version.replace(/^go/, ""), clientv3 } : {}),
    },
  };
}

/**
 * The measurements of `now`, and those of `before` that it does not hold, in
 * the order of `names`.
 */
export function joinMeasurements(
  now: readonly Measurement[],
  { before, names }: {
    readonly before: readonly Measurement[];
    readonly names: readonly string[];
  },
): readonly Measurement[] {
  return names.flatMap((wanted) => {
    const found = [...now, ...before].find(({ name }) => name === wanted);
    return found ? [found] : [];
  });
}
