/**
 * A store whose calls are written down.
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
import type { HistoryRecord, Operation, OperationOf } from "./history.ts";
import { describeTransaction, toKeyValue } from "./describe_call.ts";
import { valueText } from "./history_file.ts";
import { monotonicNs } from "./monotonic_clock.ts";

/** What of an operation its caller says. */
type Asked<F extends Operation["f"]> = Omit<
  OperationOf<F>,
  "type" | "process" | "id" | "call_ns" | "return_ns" | "outcome" | "result"
>;

/** Calls of one process to a store, one after the other, into a history. */
export class RecordedStore {
  readonly #store: StateStore;
  readonly #name: string;
  readonly #append: (record: HistoryRecord) => void;
  #process: string;
  #count = 0;

  /** Calls `store` as the process `name`; `append` takes each record. */
  constructor(
    store: StateStore,
    name: string,
    append: (record: HistoryRecord) => void,
  ) {
    this.#store = store;
    this.#name = this.#process = name;
    this.#append = append;
  }

  /** A value that nobody else writes. */
  newValue(): string {
    return `${this.#name}:v${++this.#count}`;
  }

  /** Puts a value. */
  async put(key: string, value: string, options?: StoreOptions): Promise<void> {
    await this.#record("put", { f: "put", key, value }, async () => ({
      version: Number(await this.#store.put(key, bytes(value), options)),
    }));
  }

  /** Gets a value, as text; undefined for none, or if the call failed. */
  async get(key: string, options?: StoreOptions): Promise<string | undefined> {
    const found = await this.#record(
      "get",
      { f: "get", key },
      async () => await toKeyValue(await this.#store.get(key, options)),
    );
    return found?.value;
  }

  /** Deletes a key. */
  async delete(key: string, options?: StoreOptions): Promise<void> {
    await this.#record("delete", { f: "delete", key }, async () => {
      await this.#store.delete(key, options);
      return undefined;
    });
  }

  /** Lists a prefix. */
  async list(prefix: string, options?: StoreOptions): Promise<void> {
    await this.#record("list", { f: "list", prefix }, async () => {
      const listing = await this.#store.list(prefix, options);
      const kvs = await Promise.all(listing.map(toKeyValue));
      return {
        kvs: kvs.filter((kv) => kv !== null),
        revision: Number(listing.revision),
      };
    });
  }

  /** Does a transaction. */
  async transaction(
    checks: readonly Compare[],
    success: readonly Op[],
    failure: readonly Op[],
    options: TransactionOptions = {},
  ): Promise<void> {
    const asked = await describeTransaction(checks, success, failure);
    await this.#record("txn", asked, async () => {
      const found: (KV | undefined)[] = [];
      const succeeded = await this.#store.doTransaction(
        checks,
        success,
        failure,
        { ...options, results: found },
      );
      return { succeeded, gets: await Promise.all(found.map(toKeyValue)) };
    });
  }

  /** Does a transaction of a term; `deposed` says that it is known to be over. */
  async guarded(
    term: Leadership,
    success: readonly Op[],
    { deposed, ...options }: TransactionOptions & { readonly deposed: boolean },
  ): Promise<void> {
    const { key } = term.guard;
    const fence = { key, token: Number(term.fence), deposed };
    const asked = await describeTransaction([term.guard], success, []);
    await this.#record("txn", { ...asked, fence }, async () => ({
      succeeded: await term.doTransaction([], success, options),
      gets: [],
    }));
  }

  async #record<F extends Operation["f"], Result>(
    f: F,
    asked: Asked<F>,
    call: () => Promise<Result>,
  ): Promise<Result | undefined> {
    const base = {
      type: "op",
      process: this.#process,
      id: `${this.#name}:${f}${++this.#count}`,
      ...asked,
      call_ns: monotonicNs(),
    };
    try {
      const result = await call();
      const answer = { return_ns: monotonicNs(), outcome: "ok" };
      this.#append({
        ...base,
        ...answer,
        ...(result === undefined ? {} : { result }),
      } as unknown as HistoryRecord);
      return result;
    } catch (error) {
      const outcome = outcomeOf(error);
      const return_ns = outcome === "unknown" ? null : monotonicNs();
      // A call that may be done yet is still under way for the checkers.
      if (outcome === "unknown") this.#process += "'";
      this.#append({
        ...base,
        return_ns,
        outcome,
        error: String(error),
      } as unknown as HistoryRecord);
      return undefined;
    }
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

/** By name: the class may be that of a copy of the source. */
function outcomeOf(error: unknown): "fail" | "unknown" {
  const { outcome } = error as { readonly outcome?: string };
  const { name } = (error as Error).constructor;
  const isOver = name === "LeadershipLostError" || name === "ResignedError";
  return isOver || outcome === "not-done" ? "fail" : "unknown";
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
