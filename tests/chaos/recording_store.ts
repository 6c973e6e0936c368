/**
 * The product's store on etcd, writing down each call and its outcome.
 *
 * @module
 */

import { messageOf } from "../../src/base/errors.ts";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { ELECTION_PREFIX } from "../../src/store/keys.ts";
import {
  type Compare,
  type KV,
  type Leadership,
  type Listing,
  type Op,
  StoreError,
  type StoreOptions,
  type TransactionOptions,
} from "../../src/store/state_store.ts";
import { describeTransaction, toKeyValue } from "../history/describe_call.ts";
import type { Operation } from "../history/history.ts";
import { valueText } from "../history/history_file.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";

/** Options of {@linkcode RecordingStore}. */
export interface RecordingStoreOptions {
  /** Client URLs of the members. */
  readonly endpoints: readonly string[];
  /** The name under which calls are written down, one at a time. */
  readonly process: string;
  /** Told of each call. */
  readonly append: (operation: Operation) => void;
  /** Also told before a call leaves, with an unknown outcome: for a caller that may be killed. */
  readonly announce?: boolean;
  /**
   * Called when a write of the acting term has passed all looks at the term
   * and is about to leave: the worst moment to stand still.
   */
  readonly beforeGuarded?: () => void;
}

/** What was asked, without its outcome. */
type Request = Operation extends infer One ? One extends Operation ? Omit<
      One,
      "type" | "process" | "id" | "call_ns" | "return_ns" | "outcome" | "error"
    >
  : never
  : never;

/** {@linkcode EtcdStore} with a history; what the election itself reads and writes is left out. */
export class RecordingStore extends EtcdStore {
  readonly #options: RecordingStoreOptions;
  /** The term in which transactions are done from now on. */
  actingTerm: Leadership | undefined;
  #count = 0;
  /** Raised when an outcome stayed open: whoever goes on counts as another process. */
  #life = 0;

  /** A store that nothing has been asked of yet. */
  constructor(options: RecordingStoreOptions) {
    super({ endpoints: options.endpoints });
    this.#options = options;
  }

  override async put(
    key: string,
    value: Uint8Array,
    options?: StoreOptions,
  ): Promise<bigint> {
    const request = { f: "put", key, value: await valueText(value) } as const;
    return await this.#record(
      request,
      () => super.put(key, value, options),
      (version) => ({ result: { version: Number(version) } }),
    );
  }

  override async get(
    key: string,
    options?: StoreOptions,
  ): Promise<KV | undefined> {
    if (key.startsWith(ELECTION_PREFIX)) return await super.get(key, options);
    return await this.#record(
      { f: "get", key },
      () => super.get(key, options),
      async (kv) => ({ result: await toKeyValue(kv) }),
    );
  }

  override async delete(key: string, options?: StoreOptions): Promise<void> {
    await this.#record(
      { f: "delete", key },
      () => super.delete(key, options),
      () => ({}),
    );
  }

  override async list(
    prefix: string,
    options?: StoreOptions,
  ): Promise<Listing> {
    return await this.#record(
      { f: "list", prefix },
      () => super.list(prefix, options),
      async (listing) => {
        const kvs = await Promise.all(listing.map(toKeyValue));
        const revision = Number(listing.revision);
        return {
          result: { kvs: kvs.filter((kv) => kv !== null), revision },
        };
      },
    );
  }

  override async getLeader(
    options?: StoreOptions,
  ): Promise<string | undefined> {
    return await this.#record(
      { f: "getLeader" },
      () => super.getLeader(options),
      (leader) => ({ result: leader ?? null }),
    );
  }

  override async doTransaction(
    checks: readonly Compare[],
    onSuccess: readonly Op[],
    onFailure: readonly Op[],
    options: TransactionOptions = {},
  ): Promise<boolean> {
    const own = [...onSuccess, ...onFailure].every(({ key }) =>
      key.startsWith(ELECTION_PREFIX)
    );
    if (own && onSuccess.length > 0) {
      return await super.doTransaction(checks, onSuccess, onFailure, options);
    }
    const term = this.actingTerm;
    if (term) this.#options.beforeGuarded?.();
    const request: Request = {
      ...await describeTransaction(checks, onSuccess, onFailure),
      ...(term === undefined ? {} : {
        fence: {
          key: term.guard.key,
          token: Number(term.fence),
          deposed: term.signal.aborted,
        },
      }),
    };
    const found: (KV | undefined)[] = [];
    return await this.#record(
      request,
      async () => {
        const succeeded = await super.doTransaction(
          checks,
          onSuccess,
          onFailure,
          { ...options, results: found },
        );
        options.results?.push(...found);
        return succeeded;
      },
      async (succeeded) => ({
        result: { succeeded, gets: await Promise.all(found.map(toKeyValue)) },
      }),
    );
  }

  /** Compares a key's version and puts a value: the operation `cas`. */
  async compareAndSet(
    key: string,
    expectedVersion: bigint,
    value: Uint8Array,
    options?: StoreOptions,
  ): Promise<boolean> {
    const expected = Number(expectedVersion);
    return await this.#record(
      {
        f: "cas",
        key,
        expected_version: expected,
        value: await valueText(value),
      },
      () =>
        super.doTransaction(
          [{ key, expectedVersion }],
          [{ type: "put", key, value }],
          [],
          options,
        ),
      (succeeded) => ({ result: { succeeded } }),
    );
  }

  override async campaign(
    leaderId: string,
    leaseTtlSeconds: number,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Leadership> {
    const { process } = this.#options;
    // The election makes its own calls meanwhile.
    const name = `${process}/election`;
    const term = await this.#record(
      { f: "campaign", leader: leaderId },
      () => super.campaign(leaderId, leaseTtlSeconds, options),
      ({ guard, fence }) => ({
        result: { key: guard.key, token: Number(fence) },
      }),
      name,
    );
    const resign = term.resign.bind(term);
    term.resign = async (resignOptions) => {
      if (term.signal.aborted) return await resign(resignOptions);
      const { guard: { key }, fence } = term;
      await this.#record(
        { f: "resign", leader: process, key, token: Number(fence) },
        () => resign(resignOptions),
        () => ({}),
        name,
      );
    };
    return term;
  }

  async #record<T>(
    request: Request,
    call: () => Promise<T>,
    describe: (answer: T) => object | Promise<object>,
    name = this.#options.process,
  ): Promise<T> {
    const { process, append, announce } = this.#options;
    const base = {
      type: "op",
      process: this.#life === 0 ? name : `${name}.${this.#life}`,
      id: `${process}:${this.#count++}`,
      call_ns: monotonicNs(),
    } as const;
    const write = (rest: object) =>
      append({ ...base, ...request, ...rest } as Operation);
    if (announce) write({ return_ns: null, outcome: "unknown" });
    try {
      const answer = await call();
      const return_ns = monotonicNs();
      write({ return_ns, outcome: "ok", ...await describe(answer) });
      return answer;
    } catch (error) {
      const open = !isRead(request) &&
        !(error instanceof StoreError && error.outcome === "not-done");
      if (open) this.#life++;
      write({
        return_ns: monotonicNs(),
        outcome: open ? "unknown" : "fail",
        error: messageOf(error),
      });
      throw error;
    }
  }
}

function isRead({ f }: Request): boolean {
  return f === "get" || f === "list" || f === "getLeader";
}
