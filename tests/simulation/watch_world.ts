/**
 * Readers of watches, an etcd cluster, writers and trouble: what a reader gets
 * is compared with what there was, event by event.
 *
 * @module
 */

import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import {
  CompactedError,
  type WatchEvent,
} from "../../src/store/state_store.ts";
import { StoreError } from "../../src/store/state_store.ts";
import type { Counts } from "./counts.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import type { Change } from "./etcd_state.ts";
import { Process } from "./process.ts";
import type { Timeline } from "./timeline.ts";
import { passTime } from "./pass_time.ts";
import { watchFaults } from "./watch_faults.ts";
import { connectOver, Link } from "./wire.ts";

/** What is watched; other keys change as well. */
const PREFIX = "/data/";

/** A small world in which one process reads what others write. */
export class WatchWorld {
  readonly timeline: Timeline;
  readonly cluster: EtcdCluster;
  readonly counts: Counts;
  /** The reader. */
  readonly process: Process;
  /** Its links to the members. */
  readonly links: readonly Link[];
  readonly #store: EtcdStore;
  readonly #stop = new AbortController();
  #reading = true;
  #delivered = 0;

  /** A world that is decided by its seed. */
  constructor(timeline: Timeline, counts: Counts) {
    const { random } = timeline;
    this.timeline = timeline;
    this.counts = counts;
    this.cluster = new EtcdCluster(timeline, random.chance(0.3) ? 1 : 3);
    this.cluster.trouble = random.chance(0.3) ? 0.1 : 0;
    this.process = new Process("reader", timeline);
    this.links = this.cluster.members.map((member) =>
      new Link(this.process, member, { cluster: this.cluster, timeline })
    );
    this.#store = new EtcdStore({
      endpoints: this.links.map((_, index) => `${index}`),
      clock: this.process.clock,
      connect: (endpoint) =>
        connectOver(this.links[Number(endpoint)] as Link, (method) => {
          if (method === "watch") this.counts.add("watch streams");
        }),
    });
  }

  /** Lives through writes and trouble, then waits for what is still to come. */
  async run(): Promise<void> {
    const { random } = this.timeline;
    this.#read().catch((error) =>
      this.timeline.violate(`a watch ended with ${error}`)
    ).finally(() => this.#reading = false);
    const faults = watchFaults(this);
    const rounds = 3 + random.below(5);
    for (let round = 0; round < rounds; round++) {
      for (let count = random.below(3); count > 0; count--) this.#write();
      if (random.chance(0.6)) {
        const fault = random.pick(faults);
        this.counts.add(`fault: ${fault.name}`);
        this.timeline.note(() => `FAULT ${fault.name}`);
        fault.begin();
      }
      await this.#until(random.pick([5, 50, 500, 5_000]) * random.next());
      if (random.chance(0.4)) { for (const fault of faults) fault.end(); }
    }
    for (const fault of faults) fault.end();
    this.cluster.trouble = 0;
    this.timeline.note(() => "all faults have ended");
    this.#write();
    // A stream that fell silent is found after 15 s; then pauses and a list.
    const boundMs = 45_000;
    const { revision } = this.cluster.state;
    await this.#until(boundMs, () => this.#delivered >= revision);
    if (this.#delivered < revision) {
      this.timeline.violate(
        `the reader stands at ${this.#delivered}, not at ${revision}, ${boundMs} ms after the last fault`,
      );
    }
    this.#stop.abort(new Error("Asked to stop"));
    await this.#until(5_000, () => !this.#reading);
    if (this.#reading) this.timeline.violate("a watch does not end");
    await this.#store.close();
  }

  /** Reads as the store's documentation says: a list, a watch from there, both anew once compacted. */
  async #read(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#readOnce(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StoreError)) throw error;
        if (error instanceof CompactedError) this.counts.add("compactions met");
        await this.process.clock.sleep(100, { signal }).catch(() => {});
      }
    }
  }

  async #readOnce(signal: AbortSignal): Promise<void> {
    const { random } = this.timeline;
    const { state } = this.cluster;
    const { revision } = await this.#store.list(PREFIX, { signal });
    const startRevision = random.chance(0.3) ? 0n : revision + 1n;
    const asked = state.revision;
    await using watch = await this.#store.watch(PREFIX, {
      startRevision,
      signal,
    });
    // "From now" may be any moment between the question and the answer.
    const stood = startRevision === 0n ? state.revision : Number(revision);
    const open = { from: startRevision === 0n ? asked : stood, to: stood };
    this.#delivered = Math.max(this.#delivered, stood);
    let expected: Change[] | undefined;
    for await (const event of watch) {
      const version = Number(event.kv.version);
      expected ??= this.#after(Math.min(version - 1, open.to))
        .filter(({ entry }) => entry.changed > open.from);
      if (expected.length === 0) expected = this.#after(this.#delivered);
      this.#compare(event, expected.shift());
      // A revision is delivered once its last event is.
      if (expected[0]?.entry.changed !== version) this.#delivered = version;
      this.counts.add("watch events");
      if (random.chance(0.1)) {
        await this.process.clock.sleep(random.between(0, 2_000));
      }
      if (random.chance(0.02)) return;
    }
  }

  #after(revision: number): Change[] {
    return this.cluster.state.history.filter(({ entry }) =>
      entry.changed > revision && entry.key.startsWith(PREFIX)
    );
  }

  #compare(event: WatchEvent, change: Change | undefined): void {
    const got = tell(
      event.type,
      event.kv.key,
      event.kv.version,
      event.kv.value,
      event.prevKV?.version,
    );
    const wanted = change && tell(
      change.type === "Put" ? "put" : "delete",
      change.entry.key,
      change.entry.changed,
      new TextEncoder().encode(change.entry.value),
      change.before?.changed,
    );
    this.timeline.note(() => `reader gets ${got}`);
    if (got !== wanted) {
      this.timeline.violate(`a watch delivers ${got} in place of ${wanted}`);
    }
  }

  /** One transaction on some keys. */
  #write(): void {
    const { random } = this.timeline;
    const values: Record<string, string | undefined> = {};
    for (let count = 1 + random.below(3); count > 0; count--) {
      const key = `${PREFIX}${random.below(3)}`;
      const isDelete = random.chance(0.2) &&
        this.cluster.state.entries.has(key);
      values[key] = isDelete ? undefined : `${random.below(1_000)}`;
    }
    if (random.chance(0.3)) values["/other"] = "x";
    this.cluster.state.write(values);
    this.timeline.note(() =>
      `revision ${this.cluster.state.revision} is written: ${
        Object.keys(values)
      }`
    );
  }

  async #until(ms: number, done?: () => boolean): Promise<void> {
    await passTime(this.timeline, { ms, ...(done && { done }) });
  }
}

function tell(
  type: string,
  key: string,
  version: bigint | number,
  value: Uint8Array,
  before: bigint | number | undefined,
): string {
  return `${type} ${key}=${
    new TextDecoder().decode(value)
  } @${version} after @${before ?? "nothing"}`;
}
