/**
 * Whether an orphan is what would be started now.
 *
 * @module
 */

import { Deadline } from "../../base/abortable.ts";
import { etcdFlags } from "./etcd_flags.ts";
import type { EtcdHealth } from "../client/etcd_health.ts";
import type { EtcdProcessOptions } from "./etcd_process.ts";
import { versionText } from "../etcd_version.ts";
import type { Orphan } from "./orphan.ts";
import { runsProgram } from "../../base/process_table.ts";

/** What is wanted of an orphan. */
export interface WantedEtcd
  extends Pick<EtcdProcessOptions, "binary" | "member" | "version"> {
  /** What asks it for its version. */
  readonly health: Pick<EtcdHealth, "serverVersion">;
}

/** An etcd that runs answers within milliseconds; one that hangs is better started anew. */
const ANSWER_MS = 5_000;

/**
 * Says what keeps an orphan from going on in the place of the etcd that would
 * be started: other settings, another program, silence. `undefined` if nothing
 * does.
 */
export async function orphanMismatch(
  orphan: Orphan,
  { binary, member, version, health }: WantedEtcd,
): Promise<string | undefined> {
  const settings = differingSettings(orphan.args, [
    binary,
    ...etcdFlags(member, version),
  ]);
  if (settings.length > 0) return `it runs with other ${settings.join(", ")}`;
  if (!await runsProgram(orphan.pid, binary)) {
    return "its program has been replaced since";
  }
  using deadline = new Deadline(ANSWER_MS, () => new Error("No answer"));
  const running = await health.serverVersion(member.clientUrls[0], deadline);
  if (running === undefined) return "it does not answer";
  return running === versionText(version) ? undefined : `it is etcd ${running}`;
}

/** The names of the settings in which two command lines differ; none if they are the same. */
export function differingSettings(
  args: readonly string[],
  wanted: readonly string[],
): string[] {
  // Put together, for `ps` does not tell the blanks in a path from others.
  const line = args.join(" ");
  if (line === wanted.join(" ")) return [];
  const [program = "", ...flags] = wanted;
  const names = [
    ...(`${line} `.startsWith(`${program} `) ? [] : ["program"]),
    ...flags.filter((flag) => !` ${line} `.includes(` ${flag} `)),
    ...args.slice(1).filter((arg) =>
      arg.startsWith("--") && !wanted.some((flag) => flag.startsWith(arg))
    ),
  ].map((flag) => flag.replace(/=.*$/s, ""));
  return names.length === 0 ? ["order of settings"] : [...new Set(names)];
}
