/**
 * What goes on in a run besides its faults: the traffic, compactions, and the
 * marker at its end.
 *
 * @module
 */

import { eventually } from "../machine/eventually.ts";
import { type ChildProgram, startChild } from "./child_program.ts";
import {
  type ClusterUnderTest,
  endpointsOf,
  etcdctl,
} from "./cluster_under_test.ts";
import type { HistoryRecord } from "../history/history.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";
import type { Random } from "../simulation/random.ts";
import type { Recorder } from "./recorder.ts";
import type { RecordingStore } from "./recording_store.ts";
import type { TrafficNote, TrafficSetting } from "./traffic.ts";
import { TRAFFIC_PREFIX } from "./traffic_client.ts";

/** How often the history is compacted, in milliseconds. */
const COMPACT_MS = 5_000;

/** The running traffic. */
export interface Traffic extends ChildProgram {
  /** Resolves once no client works any more. */
  readonly quiet: Promise<void>;
}

/** Starts clients and watchers. */
export function startTraffic(
  { clients }: ClusterUnderTest,
  { seed, perSecond, append, incident }: {
    readonly seed: number;
    readonly perSecond: number;
    readonly append: (record: HistoryRecord) => void;
    readonly incident: (line: string) => void;
  },
): Traffic {
  const setting: TrafficSetting = { seed, clients, perSecond };
  let over = false;
  const quiet = Promise.withResolvers<void>();
  const traffic = startChild("traffic.ts", {
    setting,
    onLine(line) {
      const said = line as HistoryRecord | TrafficNote;
      if (said.type === "ended") over = true;
      else if (said.type === "quiet") quiet.resolve();
      else if (said.type === "broken") incident(said.error);
      else append(said);
    },
  });
  traffic.ended.then((code) => {
    quiet.resolve();
    if (!over) incident(`The traffic ended by itself with ${code}`);
  });
  return { ...traffic, quiet: quiet.promise };
}

/** Keeps etcd from remembering everything, as far as the recorders have it. */
export function compactNowAndThen(
  cluster: ClusterUnderTest,
  recorders: readonly Recorder[],
  random: Random,
): Disposable {
  const timer = setInterval(async () => {
    const recorded = Math.min(...recorders.map((one) => one.revision));
    const revision = recorded - random.integer(0, 300);
    const endpoint = random.pick(endpointsOf(cluster));
    // What is compacted already, or cannot be now, is compacted the next time.
    if (revision > 1) {
      await etcdctl([endpoint], "compact", String(revision)).catch(() => {});
    }
  }, COMPACT_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Writes a marker that every watch has to show, and waits until it is recorded. */
export async function markEnd(
  store: RecordingStore,
  { append, recorders }: {
    readonly append: (record: HistoryRecord) => void;
    readonly recorders: readonly Recorder[];
  },
): Promise<number> {
  const key = `${TRAFFIC_PREFIX}marker`;
  const value = "overseer:marker";
  const bytes = new TextEncoder().encode(value);
  const revision = Number(await store.put(key, bytes));
  append({
    type: "mark",
    name: "marker",
    at_ns: monotonicNs(),
    key,
    value,
    revision,
  });
  await eventually(() => {
    for (const recorder of recorders) {
      if (recorder.revision < revision) {
        throw new Error(`${recorder.member} has not told ${revision}`);
      }
    }
  }, { withinMs: 30_000 });
  append({
    type: "mark",
    name: "recorded",
    at_ns: monotonicNs(),
    from_revision: 1,
    to_revision: revision,
  });
  return revision;
}
