/**
 * A store whose calls are written down, whatever its class: a test may take it
 * from a copy of the source.
 *
 * @module
 */

import type {
  Compare,
  KV,
  Leadership,
  Op,
  StateStore,
  StoreOptions,
  TransactionOptions,
  Watch,
} from "../../src/store/state_store.ts";
import type { HistoryRecord } from "./history.ts";
import { CallRecorder, type CallRequest } from "./call_recorder.ts";
import {
  describeListing,
  describeTransaction,
  toKeyValue,
} from "./describe_call.ts";
import { valueText } from "./history_file.ts";
import { monotonicNs } from "./monotonic_clock.ts";

/** Calls of one process to a store, one after the other, into a history. A call that fails is only written down. */
export class RecordedStore {
  readonly #store: StateStore;
  readonly #name: string;
  readonly #recorder: CallRecorder;
  #count = 0;

  /** Calls `store` as the process `name`; `append` takes each record. */
  constructor(
    store: StateStore,
    name: string,
    append: (record: HistoryRecord) => void,
  ) {
    this.#store = store;
    this.#name = name;
    this.#recorder = new CallRecorder({ process: name, append });
  }

  /** A value that no other call writes. */
  newValue(): string {
    return `${this.#name}:v${++this.#count}`;
  }

  /** Puts a value. */
  async put(key: string, value: string, options?: StoreOptions): Promise<void> {
    await this.#record(
      { f: "put", key, value },
      () => this.#store.put(key, bytes(value), options),
      (version) => ({ result: { version: Number(version) } }),
    );
  }

  /** Gets a value. */
  async get(key: string, options?: StoreOptions): Promise<void> {
    await this.#record(
      { f: "get", key },
      () => this.#store.get(key, options),
      async (kv) => ({ result: await toKeyValue(kv) }),
    );
  }

  /** Deletes a key. */
  async delete(key: string, options?: StoreOptions): Promise<void> {
    await this.#record(
      { f: "delete", key },
      () => this.#store.delete(key, options),
      () => ({}),
    );
  }

  /** Lists a prefix. */
  async list(prefix: string, options?: StoreOptions): Promise<void> {
    await this.#record(
      { f: "list", prefix },
      () => this.#store.list(prefix, options),
      describeListing,
    );
  }

  /** Does a transaction. */
  async transaction(
    checks: readonly Compare[],
    success: readonly Op[],
    failure: readonly Op[],
    options: TransactionOptions = {},
  ): Promise<void> {
    const results: (KV | undefined)[] = [];
    await this.#record(
      await describeTransaction(checks, success, failure),
      () =>
        this.#store.doTransaction(checks, success, failure, {
          ...options,
          results,
        }),
      async (succeeded) => ({
        result: { succeeded, gets: await Promise.all(results.map(toKeyValue)) },
      }),
    );
  }

  /** Does a transaction of a term; `deposed` says that it is known to be over. */
  async guarded(
    term: Leadership,
    success: readonly Op[],
    { deposed, ...options }: TransactionOptions & { readonly deposed: boolean },
  ): Promise<void> {
    const { key } = term.guard;
    const fence = { key, token: Number(term.fence), deposed };
    await this.#record(
      { ...await describeTransaction([term.guard], success, []), fence },
      () => term.doTransaction([], success, options),
      (succeeded) => ({ result: { succeeded, gets: [] } }),
    );
  }

  async #record<T>(
    request: CallRequest,
    call: () => Promise<T>,
    describe: (answer: T) => object | Promise<object>,
  ): Promise<void> {
    await this.#recorder.record(request, call, { describe }).catch(() => {});
  }
}

/** Writes down what a watch delivers until `until` holds or it ends; resolves then. */
export async function recordWatch(
  watch: Watch,
  { watcher, append, until }: {
    readonly watcher: string;
    readonly append: (record: HistoryRecord) => void;
    readonly until: (value: string | null) => boolean;
  },
): Promise<void> {
  const base = { type: "watch", watcher } as const;
  try {
    for await (const { type, kv, prevKV } of watch) {
      const at_ns = monotonicNs();
      const value = type === "put" ? await valueText(kv.value) : null;
      append({
        ...base,
        at_ns,
        what: "event",
        event: type,
        key: kv.key,
        value,
        revision: Number(kv.version),
        prev: prevKV
          ? {
            value: await valueText(prevKV.value),
            version: Number(prevKV.version),
          }
          : null,
      });
      if (until(value)) break;
    }
    append({ ...base, at_ns: monotonicNs(), what: "closed", why: "asked" });
  } catch (error) {
    append({
      ...base,
      at_ns: monotonicNs(),
      what: "closed",
      why: (error as Error).constructor.name === "CompactedError"
        ? "compacted"
        : "error",
      error: String(error),
    });
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
