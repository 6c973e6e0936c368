/**
 * A watcher of the traffic: opens watches of every kind on the product's
 * store and writes down what they deliver.
 *
 * @module
 */

import { messageOf } from "../../src/base/errors.ts";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import {
  CompactedError,
  type KV,
  StoreError,
  type Watch,
} from "../../src/store/state_store.ts";
import type { WatchRecord } from "../history/history.ts";
import { valueText } from "../history/history_file.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";
import type { Random } from "../simulation/random.ts";
import { sleep } from "../machine/sleep.ts";
import { TRAFFIC_PREFIX } from "./traffic_client.ts";

/** What a watcher is made of. */
export interface WatcherSetting {
  /** Its name in the history, to which each watch adds a number. */
  readonly name: string;
  /** The members' client URLs. */
  readonly endpoints: readonly string[];
  /** Whether it keeps one watch for the whole run, unless that ends. */
  readonly stays: boolean;
  /** Where its choices come from. */
  readonly random: Random;
  /** Told of each record. */
  readonly append: (record: WatchRecord) => void;
  /** Readers that take their time hurry up from here on. */
  readonly hurry: AbortSignal;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Opens one watch after the other until told to stop. */
export async function runWatcher(setting: WatcherSetting): Promise<void> {
  await using store = new EtcdStore({ endpoints: setting.endpoints });
  for (let number = 0; !setting.signal.aborted; number++) {
    const watcher = `${setting.name}.${number}`;
    await watchOnce(store, watcher, setting);
    await sleep(setting.random.next() * 500, setting.signal);
  }
}

/** One watch, from opening to end. */
async function watchOnce(
  store: EtcdStore,
  watcher: string,
  { append, random, hurry, signal, stays }: WatcherSetting,
): Promise<void> {
  const enough = new AbortController();
  const end = AbortSignal.any([signal, enough.signal]);
  const slow = !stays && random.chance(0.2);
  // Begun here, so that opening it counts as well.
  const lasting = stays
    ? Promise.resolve()
    : sleep(random.integer(500, 15_000), end).then(() => enough.abort());
  const common = () =>
    ({ type: "watch", watcher, at_ns: monotonicNs() }) as const;
  try {
    const from = stays || random.chance(0.4)
      ? 0n
      : await nearby(store, random, end);
    const asked_ns = monotonicNs();
    const watch = await store.watch(TRAFFIC_PREFIX, {
      startRevision: from,
      signal: end,
    });
    append({
      ...common(),
      what: "opened",
      asked_ns,
      key: TRAFFIC_PREFIX,
      from_revision: Number(from),
    });
    try {
      await follow(watch, { slow, hurry, append, common });
      append({ ...common(), what: "closed", why: "asked" });
    } catch (error) {
      if (!end.aborted && !(error instanceof StoreError)) throw error;
      const why = end.aborted
        ? "asked"
        : error instanceof CompactedError
        ? "compacted"
        : "error";
      const detail = why === "asked" ? {} : { error: messageOf(error) };
      append({ ...common(), what: "closed", why, ...detail });
    }
  } catch (error) {
    // It could not be opened, so it promised nothing.
    if (!end.aborted && !(error instanceof StoreError)) throw error;
  } finally {
    enough.abort();
    await lasting;
  }
}

/** A revision up to a hundred before or after the latest. */
async function nearby(
  store: EtcdStore,
  random: Random,
  signal: AbortSignal,
): Promise<bigint> {
  const { revision } = await store.list(`${TRAFFIC_PREFIX}none/`, { signal });
  const from = revision + BigInt(random.integer(-100, 100));
  return from < 1n ? 1n : from;
}

async function follow(
  watch: Watch,
  { slow, hurry, append, common }: {
    readonly slow: boolean;
    readonly hurry: AbortSignal;
    readonly append: (record: WatchRecord) => void;
    readonly common: () => {
      readonly type: "watch";
      readonly watcher: string;
      readonly at_ns: number;
    };
  },
): Promise<void> {
  for await (const { type, kv, prevKV } of watch) {
    const at = common();
    append({
      ...at,
      what: "event",
      event: type,
      key: kv.key,
      value: type === "put" ? await valueText(kv.value) : null,
      revision: Number(kv.version),
      ...(prevKV === undefined ? {} : { prev: await previous(prevKV) }),
    });
    if (slow) await sleep(50, hurry);
  }
}

async function previous(
  kv: KV,
): Promise<{ readonly value: string; readonly version: number }> {
  return { value: await valueText(kv.value), version: Number(kv.version) };
}
