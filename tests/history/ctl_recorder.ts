/**
 * The ground truth of a small run, from etcdctl: every change since revision 1.
 *
 * @module
 */

import { jsonLines } from "../machine/json_lines.ts";
import { type PrintedEvent, toTruth, watchAll } from "./etcdctl_event.ts";
import type { HistoryRecord } from "./history.ts";
import { monotonicNs } from "./monotonic_clock.ts";

/** What this module needs of an etcd under test. */
export interface Recordable {
  /** Runs etcdctl on it. */
  readonly ctl: (...args: string[]) => Promise<string>;
  /** Its client URL. */
  readonly endpoint: string;
}

/** Reads every change up to now; nothing may have been compacted. */
export async function recordTruth(etcd: Recordable): Promise<HistoryRecord[]> {
  const status = JSON.parse(await etcd.ctl("get", "/", "-w", "json"));
  const to_revision = Number(status.header.revision);
  const records: HistoryRecord[] = [];
  if (to_revision > 1) {
    const child = watchAll(etcd.endpoint, 1);
    try {
      await readEvents(child.stdout, to_revision, records);
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
  }
  records.push({
    type: "mark",
    name: "recorded",
    at_ns: monotonicNs(),
    from_revision: 1,
    to_revision,
  });
  return records;
}

/** Takes events until one is of the last revision; that may be a part of a transaction, as its rest is in the same line. */
async function readEvents(
  stdout: ReadableStream<Uint8Array<ArrayBuffer>>,
  toRevision: number,
  records: HistoryRecord[],
): Promise<void> {
  for await (const line of jsonLines(stdout)) {
    const { Events } = line as { readonly Events?: readonly PrintedEvent[] };
    for (const event of Events ?? []) {
      records.push(await toTruth(event, "etcdctl"));
    }
    if ((Events?.at(-1)?.kv.mod_revision ?? 0) >= toRevision) return;
  }
}
