/**
 * Making room in a database that was filled, as an administrator does, without
 * compacting what the recorders have not recorded yet.
 *
 * @module
 */

import { eventually } from "../machine/eventually.ts";
import { etcdctl, etcdctlJson } from "./cluster_under_test.ts";
import type { Recorder } from "./recorder.ts";

/** Options of {@linkcode makeRoom}. */
export interface MakeRoomOptions {
  /** What has been recorded. */
  readonly recorders: readonly Pick<Recorder, "revision">[];
  /** The size at which etcd refuses to grow, in bytes. */
  readonly quotaBytes: number;
}

/** How long the recorders may take to tell what was written last: a large fill is much to print. */
const TOLD_MS = 60_000;

/**
 * Compacts all that was written before the call, defragments each member, and
 * ends the alarms.
 *
 * The recorders are waited for. A compaction to where they are while they lag
 * keeps what was deleted since: the database stays as large, and once the alarm
 * is taken back it is full again after a few writes.
 *
 * @throws {Error} if that did not make room, or the recorders do not catch up;
 * the alarms then stand.
 */
export async function makeRoom(
  endpoints: readonly string[],
  { recorders, quotaBytes }: MakeRoomOptions,
): Promise<void> {
  const revision = Math.max(
    ...(await statuses(endpoints)).map(({ header }) => Number(header.revision)),
  );
  await eventually(() => {
    const told = Math.min(...recorders.map((one) => one.revision));
    if (told < revision) {
      throw new Error(`Only ${told} of ${revision} revisions are recorded`);
    }
  }, { withinMs: TOLD_MS });
  await etcdctl(endpoints, "compact", "--physical", String(revision));
  for (const endpoint of endpoints) {
    await etcdctl([endpoint], "defrag", "--command-timeout=60s");
  }
  const sizes = (await statuses(endpoints)).map(({ dbSize }) => Number(dbSize));
  if (Math.max(...sizes) > quotaBytes / 2) {
    throw new Error(`The databases still have ${sizes.join(", ")} bytes`);
  }
  await etcdctl(endpoints, "alarm", "disarm");
}

interface Status {
  readonly header: { readonly revision: number | bigint };
  readonly dbSize: number | bigint;
}

async function statuses(endpoints: readonly string[]): Promise<Status[]> {
  const answers = await etcdctlJson(endpoints, "endpoint", "status");
  return answers.map((one: { readonly Status: Status }) => one.Status);
}
