/**
 * The ground truth of a small run, from etcdctl: every change since revision 1.
 *
 * @module
 */

import { type PrintedEvent, toTruth } from "./etcdctl_event.ts";
import type { HistoryRecord } from "./history.ts";
import { monotonicNs } from "./monotonic_clock.ts";

/** What this module needs of an etcd under test. */
export interface Recordable {
  /** Runs etcdctl on it. */
  readonly ctl: (...args: string[]) => Promise<string>;
  /** Starts etcdctl on it. */
  readonly startCtl: (...args: string[]) => Deno.ChildProcess;
}

/** Reads every change up to now; nothing may have been compacted. */
export async function recordTruth(etcd: Recordable): Promise<HistoryRecord[]> {
  const status = JSON.parse(await etcd.ctl("get", "/", "-w", "json"));
  const to_revision = Number(status.header.revision);
  const records: HistoryRecord[] = [];
  if (to_revision > 1) {
    const child = etcd.startCtl(
      "watch",
      "",
      "--prefix",
      "--rev=1",
      "--prev-kv",
      "-w",
      "json",
    );
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
  let rest = "";
  for await (const part of stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const events: PrintedEvent[] = JSON.parse(line).Events ?? [];
      for (const event of events) records.push(await toTruth(event, "etcdctl"));
      const last = events.at(-1)?.kv.mod_revision ?? 0;
      if (last >= toRevision) return;
    }
  }
}
