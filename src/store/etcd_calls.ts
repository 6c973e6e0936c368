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
  IRequestOp,
  IResponseOp,
} from "etcd3/lib/rpc.js";
import type { Clock } from "../base/clock.ts";
import type { EtcdClient } from "../etcd/etcd_client.ts";
import { toRepeatableError, toStoreError } from "./etcd_errors.ts";
import { keyBytes, toKV } from "./etcd_range.ts";
import type { SharedOperation } from "./shared_call.ts";
import { SharedCalls } from "./shared_calls.ts";
import { type KV, StoreClosedError, type StoreOptions } from "./state_store.ts";

/** About as many bytes an operation takes beside its key and value. */
const FRAME_BYTES = 16;
/** How much the size of the last answers says of the next. */
const LAST_WEIGHT = 0.2;

/** The calls of one store. */
export class EtcdCalls {
  readonly #client: EtcdClient;
  readonly #reads: SharedCalls<SharedOperation, IResponseOp, KV | undefined>;
  readonly #writes: SharedCalls<SharedOperation, IResponseOp, bigint>;
  #closed = false;
  /** How many bytes a get is answered with, as far as anybody can know. */
  #answerBytes = FRAME_BYTES;
  /**
   * etcd's database is full. etcd 3.4 then refuses every transaction, and
   * every version the puts; gets and deletes go through if they are alone.
   */
  #full = false;

  /** Calls through `client`; nothing is sent yet. */
  constructor(client: EtcdClient, clock: Clock) {
    this.#client = client;
    const full = () => {
      this.#full = true;
    };
    this.#reads = new SharedCalls(client, clock, {
      repeatable: true,
      alone: ({ key }, options) => this.#getAlone(key, options),
      result: ({ response_range: { kvs: [kv] } }: IResponseOp) =>
        kv && toKV(kv),
      error: (error, { key }) => this.#getError(error, key),
      done: (_ops, found) => this.#learnBytes(found),
      full,
    });
    this.#writes = new SharedCalls(client, clock, {
      repeatable: false,
      alone: ({ request }, options) => this.#writeAlone(request, options),
      // All that a transaction writes it writes at its own revision.
      result: (_answer: IResponseOp, header) => BigInt(header.revision),
      error: (error, { type, key }) => toStoreError(error, `${type} "${key}"`),
      done: (ops) => {
        if (ops[0]?.type === "put") this.#full = false;
      },
      full,
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
    const op = { type: "put", key, bytes, alone: key === "" } as const;
    return this.#writes.call({ ...op, request: { request_put } }, options);
  }

  /** As the store's. */
  async delete(key: string, options: StoreOptions | undefined): Promise<void> {
    const bytes = keyBytes(key);
    await this.#writes.call({
      type: "delete",
      key,
      bytes: bytes.length + FRAME_BYTES,
      alone: key === "" || this.#full,
      request: { request_delete_range: { key: bytes } },
    }, options);
  }

  /** As the store's. */
  get(key: string, options: StoreOptions | undefined): Promise<KV | undefined> {
    return this.#reads.call({
      type: "get",
      key,
      bytes: this.#answerBytes,
      alone: key === "" || this.#full,
      request: { request_range: { key: keyBytes(key) } },
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
    const { kvs: [kv] } = await this.#client.repeatable<IRangeResponse>(
      "KV",
      "range",
      { key: keyBytes(key) },
      options,
    );
    return kv && toKV(kv);
  }

  async #writeAlone(
    { request_put, request_delete_range }: IRequestOp,
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
    return BigInt(header.revision);
  }

  #getError(error: unknown, key: string): unknown {
    if (this.#closed) return new StoreClosedError();
    return toRepeatableError(error, `get "${key}"`);
  }

  #learnBytes(found: readonly (KV | undefined)[]): void {
    let bytes = 0;
    for (const kv of found) bytes += kv?.value.length ?? 0;
    const each = bytes / found.length + FRAME_BYTES;
    this.#answerBytes += LAST_WEIGHT * (each - this.#answerBytes);
  }
}
