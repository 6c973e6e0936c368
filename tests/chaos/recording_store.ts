/**
 * The product's store on etcd, writing down each call and its outcome. It is a
 * subclass, not a wrapper as the history's own `RecordedStore`, because a term
 * must send its guarded writes through it.
 *
 * @module
 */

import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { ELECTION_PREFIX } from "../../src/store/keys.ts";
import {
  type Compare,
  type KV,
  type Leadership,
  type Listing,
  type Op,
  type StoreOptions,
  type TransactionOptions,
} from "../../src/store/state_store.ts";
import {
  CallRecorder,
  type CallRecorderOptions,
  type CallRequest,
} from "../history/call_recorder.ts";
import {
  describeListing,
  describeTransaction,
  toKeyValue,
} from "../history/describe_call.ts";
import { valueText } from "../history/history_file.ts";

/** Options of {@linkcode RecordingStore}. */
export interface RecordingStoreOptions extends CallRecorderOptions {
  /** Client URLs of the members. */
  readonly endpoints: readonly string[];
  /**
   * Called when a write of the acting term has passed all checks of the term
   * and is about to leave: the worst moment to stand still.
   */
  readonly beforeGuarded?: () => void;
}

/** {@linkcode EtcdStore} with a history; what the election itself reads and writes is left out. */
export class RecordingStore extends EtcdStore {
  readonly #options: RecordingStoreOptions;
  readonly #recorder: CallRecorder;
  /** The term in which transactions are done from now on. */
  actingTerm: Leadership | undefined;

  /** A store that no call was made to yet. */
  constructor(options: RecordingStoreOptions) {
    super({ endpoints: options.endpoints });
    this.#options = options;
    this.#recorder = new CallRecorder(options);
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
      describeListing,
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
    const request: CallRequest = {
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
    request: CallRequest,
    call: () => Promise<T>,
    describe: (answer: T) => object | Promise<object>,
    process = this.#options.process,
  ): Promise<T> {
    return await this.#recorder.record(request, call, { describe, process });
  }
}
