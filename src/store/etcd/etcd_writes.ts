/**
 * Puts and deletes of an etcd cluster, many in one request.
 *
 * A write whose answer is missing is never sent again. Puts share with puts and
 * deletes with deletes, for etcd refuses only the puts when its database is full.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type {
  IPutResponse,
  IRangeResponse,
  ITxnResponse,
} from "etcd3/lib/rpc.js";
import type { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { OnceOptions } from "../../etcd/client/etcd_client.ts";
import { BatchSender } from "../batching/batch_sender.ts";
import { type FailurePlan, planRetry } from "../batching/failure_plan.ts";
import {
  LARGE_BYTES,
  type SharedOperation,
  type SharedRequest,
  type Waiter,
} from "../batching/shared_request.ts";
import { FRAME_BYTES } from "../batching/value_sizes.ts";
import type { StoreOptions } from "../state_store.ts";
import { toStoreError } from "./etcd_errors.ts";
import { keyBytes } from "./etcd_range.ts";

/** The puts and deletes of one store; each results in its revision. */
export class EtcdWrites extends BatchSender<bigint> {
  /** As the store's. */
  put(key: string, value: Uint8Array, options?: StoreOptions): Promise<bigint> {
    const request_put = { key: keyBytes(key), value: Buffer.from(value) };
    const holds = request_put.key.length + value.length + FRAME_BYTES;
    const request = { request_put };
    if (value.length >= LARGE_BYTES) this.seen.sizes.note(key, value.length);
    return this.call(
      { type: "put", key, bytes: holds, holds, request },
      options,
    );
  }

  /** As the store's. */
  async delete(key: string, options?: StoreOptions): Promise<void> {
    const request_delete_range = { key: keyBytes(key) };
    const holds = request_delete_range.key.length + FRAME_BYTES;
    const request = { request_delete_range };
    await this.call(
      { type: "delete", key, bytes: holds, holds, request },
      options,
    );
  }

  /** Deletes do not share while the database is full or no revision is known: see `#resolveDoubt`. */
  protected override mayShare({ type }: SharedOperation): boolean {
    return type === "put" || !this.seen.full && this.seen.revision !== "0";
  }

  /** Sends writes once; all of a transaction have its revision. */
  protected override async send(
    request: SharedRequest<bigint>,
    options: OnceOptions,
  ): Promise<readonly bigint[]> {
    const { call: { method, message }, sent } = request;
    request.since = this.seen.revision;
    const { header: { revision } } = await this.client.once<
      IPutResponse | ITxnResponse
    >("KV", method, message, options);
    this.seen.revision = revision;
    if (sent[0]?.op.type === "put") this.seen.full = false;
    return sent.map(() => BigInt(revision));
  }

  /** Only writes that certainly were not done may be sent again. */
  protected override async onFailure(
    request: SharedRequest<bigint>,
    error: EtcdCallError,
  ): Promise<FailurePlan<bigint>> {
    const { sent, unsettled } = request;
    const isFull = error.failure === "no-space";
    if (isFull) this.seen.full = true;
    if (error.outcome === "not-done") {
      return planRetry(request, error, { nowMs: this.clock.nowMs() });
    }
    return isFull && sent.length > 1 && sent[0]?.op.type === "delete"
      ? await this.#resolveDoubt(request)
      : { reject: unsettled, retry: [] };
  }

  /**
   * Finds out which deletes were done after etcd has said of several together
   * that there is no space: before 3.4.20 and 3.5.7 it has either refused them
   * or just done them.
   *
   * A key that is gone is deleted. One that has been there since before cannot
   * have been deleted, and is now. One that was made since leaves it open.
   */
  async #resolveDoubt(
    { signal, since, unsettled }: SharedRequest<bigint>,
  ): Promise<FailurePlan<bigint>> {
    const nowMs = this.clock.nowMs();
    const reject: Waiter<bigint>[] = [];
    const retry: (readonly Waiter<bigint>[])[] = [];
    await Promise.all(unsettled.map(async (waiter) => {
      const timeoutMs = Math.max(1, waiter.deadlineMs - nowMs);
      const range = { key: keyBytes(waiter.op.key) };
      try {
        const { header, kvs: [kv] } = await this.client.repeatable<
          IRangeResponse
        >("KV", "range", range, { signal, timeoutMs });
        if (kv === undefined) waiter.resolve(BigInt(header.revision));
        else if (BigInt(kv.create_revision) > BigInt(since)) {
          reject.push(waiter);
        } else retry.push([waiter]);
      } catch {
        // It stays unknown, which is what the first error says.
        reject.push(waiter);
      }
    }));
    return { reject, retry };
  }

  /** A missing answer leaves open whether the write was done. */
  protected override toError(
    error: unknown,
    { type, key }: SharedOperation,
  ): unknown {
    return toStoreError(error, `${type} "${key}"`);
  }
}
