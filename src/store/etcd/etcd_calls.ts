/**
 * Gets, puts and deletes of an etcd cluster, as they share requests.
 *
 * Reads share with reads, for those may be asked again and wait for no disk;
 * puts share with puts and deletes with deletes, for etcd refuses the puts
 * alone when its database is full.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type {
  IPutResponse,
  IRangeResponse,
  IResponseOp,
} from "etcd3/lib/rpc.js";
import type { Clock } from "../../base/clock.ts";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { EtcdClient } from "../../etcd/client/etcd_client.ts";
import { toRepeatableError, toStoreError } from "./etcd_errors.ts";
import { keyBytes, toKV } from "./etcd_range.ts";
import { LARGE_BYTES } from "../batching/lane.ts";
import type { Doubt, SharedOperation } from "../batching/shared_call.ts";
import { SharedCalls } from "../batching/shared_calls.ts";
import {
  type KV,
  StoreClosedError,
  type StoreOptions,
} from "../state_store.ts";
import { FRAME_BYTES, ValueSizes } from "../batching/value_sizes.ts";

/** How long gets go alone after a transaction of gets was refused for want of space. */
const READS_ALONE_MS = 1_000;

/** The calls of one store. */
export class EtcdCalls {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #reads: SharedCalls<SharedOperation, IResponseOp, KV | undefined>;
  readonly #writes: SharedCalls<SharedOperation, IResponseOp, bigint>;
  readonly #sizes = new ValueSizes();
  #closed = false;
  /** The revision of the last answer. */
  #revision = "0";
  /**
   * etcd's database is full: puts are refused, and before 3.4.20 and 3.5.7
   * every transaction, while deletes and gets go through if they are alone.
   */
  #full = false;
  #readsAloneUntilMs = -Infinity;

  /** Calls through `client`; nothing is sent yet. */
  constructor(client: EtcdClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    const revision = () => this.#revision;
    this.#reads = new SharedCalls(client, clock, {
      repeatable: true,
      revision,
      mayShare: () => clock.nowMs() >= this.#readsAloneUntilMs,
      alone: ({ key }, options) => this.#getAlone(key, options),
      result: ({ response_range: { kvs: [kv] } }: IResponseOp, header) => {
        this.#revision = header.revision;
        return kv && toKV(kv);
      },
      error: (error, { key }) => this.#getError(error, key),
      done: (ops, found) => this.#sawReads(ops, found),
      failed: ({ failure }, ops) => {
        if (failure !== "no-space" || ops.length === 1) return;
        this.#readsAloneUntilMs = clock.nowMs() + READS_ALONE_MS;
      },
      findOut: () => undefined,
    });
    this.#writes = new SharedCalls(client, clock, {
      repeatable: false,
      revision,
      mayShare: ({ type }) =>
        type === "put" || !this.#full && this.#revision !== "0",
      alone: (op, options) => this.#writeAlone(op, options),
      // All that a transaction writes it writes at its own revision.
      result: (_answer: IResponseOp, header) => {
        this.#revision = header.revision;
        return BigInt(header.revision);
      },
      error: (error, { type, key }) => toStoreError(error, `${type} "${key}"`),
      done: (ops) => {
        if (ops[0]?.type === "put") this.#full = false;
      },
      failed: ({ failure }) => {
        if (failure === "no-space") this.#full = true;
      },
      findOut: (op, doubt) =>
        op.type === "delete" && doubt.error.failure === "no-space"
          ? (options) => this.#deleteInDoubt(op, { ...options, doubt })
          : undefined,
    });
  }

  /** As the store's. */
  put(
    key: string,
    value: Uint8Array,
    options: StoreOptions | undefined,
  ): Promise<bigint> {
    const request_put = { key: keyBytes(key), value: Buffer.from(value) };
    const bytes = request_put.key.length + value.length + FRAME_BYTES;
    if (value.length >= LARGE_BYTES) this.#sizes.note(key, value.length);
    return this.#writes.call({
      type: "put",
      key,
      bytes,
      holds: bytes,
      alone: key === "",
      request: { request_put },
    }, options);
  }

  /** As the store's. */
  async delete(key: string, options: StoreOptions | undefined): Promise<void> {
    const request_delete_range = { key: keyBytes(key) };
    const bytes = request_delete_range.key.length + FRAME_BYTES;
    await this.#writes.call({
      type: "delete",
      key,
      bytes,
      holds: bytes,
      alone: key === "",
      request: { request_delete_range },
    }, options);
  }

  /** As the store's. */
  get(key: string, options: StoreOptions | undefined): Promise<KV | undefined> {
    const request_range = { key: keyBytes(key) };
    const holds = request_range.key.length + FRAME_BYTES;
    return this.#reads.call({
      type: "get",
      key,
      bytes: Math.max(this.#sizes.expect(key), holds),
      holds,
      alone: key === "",
      request: { request_range },
    }, options);
  }

  /** A get that waits for no other and goes with no other. */
  async getAtOnce(
    key: string,
    options: StoreOptions | undefined,
  ): Promise<KV | undefined> {
    try {
      return await this.#getAlone(key, options);
    } catch (error) {
      throw this.#getError(error, key);
    }
  }

  /** Refuses what waits and what comes. */
  close(): void {
    this.#closed = true;
    this.#reads.close();
    this.#writes.close();
  }

  async #getAlone(
    key: string,
    options: StoreOptions | undefined,
  ): Promise<KV | undefined> {
    const { kvs: [kv] } = await this.#range(key, options);
    return kv && toKV(kv);
  }

  async #range(
    key: string,
    options: StoreOptions | undefined,
  ): Promise<IRangeResponse> {
    const answer = await this.#client.repeatable<IRangeResponse>(
      "KV",
      "range",
      { key: keyBytes(key) },
      options,
    );
    this.#revision = answer.header.revision;
    return answer;
  }

  async #writeAlone(
    { request: { request_put, request_delete_range } }: SharedOperation,
    options: StoreOptions,
  ): Promise<bigint> {
    const { header } = request_put
      ? await this.#client.once<IPutResponse>("KV", "put", request_put, options)
      : await this.#client.once<IPutResponse>(
        "KV",
        "deleteRange",
        request_delete_range,
        options,
      );
    this.#revision = header.revision;
    return BigInt(header.revision);
  }

  /**
   * Deletes a key after etcd has said of a transaction of deletes that there is
   * no space: before 3.4.20 and 3.5.7 it has either refused it or just done it.
   *
   * A key that is gone is deleted. One that has been there since before cannot
   * have been deleted, and is now. One that was made since leaves it open.
   */
  async #deleteInDoubt(
    op: SharedOperation,
    { doubt, signal, timeoutMs = 0 }: StoreOptions & { readonly doubt: Doubt },
  ): Promise<bigint> {
    const endMs = this.#clock.nowMs() + timeoutMs;
    const { header, kvs: [kv] } = await this.#range(op.key, {
      signal,
      timeoutMs,
    }).catch((error) => {
      throw error instanceof EtcdCallError ? doubt.error : error;
    });
    if (kv === undefined) return BigInt(header.revision);
    if (BigInt(kv.create_revision) > doubt.since) throw doubt.error;
    const restMs = Math.max(1, endMs - this.#clock.nowMs());
    return await this.#writeAlone(op, { signal, timeoutMs: restMs });
  }

  #getError(error: unknown, key: string): unknown {
    if (this.#closed) return new StoreClosedError();
    return toRepeatableError(error, `get "${key}"`);
  }

  #sawReads(
    ops: readonly SharedOperation[],
    found: readonly (KV | undefined)[],
  ): void {
    // An old etcd that is full would have refused it; to others it makes no difference.
    if (ops.length > 1) this.#full = false;
    this.#sizes.learn(ops, found);
  }
}
