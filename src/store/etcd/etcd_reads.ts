/**
 * Gets of an etcd cluster, many in one request.
 *
 * A get whose answer is missing is sent again, also to another member.
 *
 * @module
 */

import type { IRangeResponse, ITxnResponse } from "etcd3/lib/rpc.js";
import type { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { EtcdCallOptions } from "../../etcd/client/etcd_client.ts";
import { BatchSender } from "../batching/batch_sender.ts";
import { type FailurePlan, planRetry } from "../batching/failure_plan.ts";
import type {
  SharedOperation,
  SharedRequest,
} from "../batching/shared_request.ts";
import { FRAME_BYTES } from "../batching/value_sizes.ts";
import {
  type KV,
  StoreClosedError,
  type StoreOptions,
} from "../state_store.ts";
import { toRepeatableError } from "./etcd_errors.ts";
import { keyBytes, toKV } from "./etcd_range.ts";

/** How long gets are sent alone after a transaction of gets was refused for want of space. */
const ALONE_MS = 1_000;

/** The gets of one store. */
export class EtcdReads extends BatchSender<KV | undefined> {
  #aloneUntilMs = -Infinity;

  /** As the store's. */
  get(key: string, options?: StoreOptions): Promise<KV | undefined> {
    const request_range = { key: keyBytes(key) };
    const holds = request_range.key.length + FRAME_BYTES;
    const bytes = Math.max(this.seen.sizes.expect(key), holds);
    const request = { request_range };
    return this.call({ type: "get", key, bytes, holds, request }, options);
  }

  /** Not for a while after etcd had no space for a transaction. */
  protected override mayShare(): boolean {
    return this.clock.nowMs() >= this.#aloneUntilMs;
  }

  /** Sends gets to one member after the other until one answers. */
  protected override async send(
    { call: { method, message }, sent }: SharedRequest<KV | undefined>,
    options: EtcdCallOptions,
  ): Promise<readonly (KV | undefined)[]> {
    const isShared = sent.length > 1;
    const answer = await this.client.repeatable<IRangeResponse | ITxnResponse>(
      "KV",
      method,
      message,
      options,
    );
    this.seen.revision = answer.header.revision;
    // An old etcd whose database is full would have refused it; others never do.
    if (isShared) this.seen.full = false;
    const found = sent.map((_, index) => {
      const { kvs: [kv] } = isShared
        ? (answer as ITxnResponse).responses[index]
          ?.response_range as IRangeResponse
        : answer as IRangeResponse;
      return kv && toKV(kv);
    });
    this.seen.sizes.learn(sent.map(({ op }) => op), found);
    return found;
  }

  /** Gets may always be sent again. */
  protected override onFailure(
    request: SharedRequest<KV | undefined>,
    error: EtcdCallError,
  ): FailurePlan<KV | undefined> {
    const nowMs = this.clock.nowMs();
    if (error.failure === "no-space" && request.sent.length > 1) {
      this.#aloneUntilMs = nowMs + ALONE_MS;
    }
    return planRetry(request, error, { nowMs });
  }

  /** A missing answer leaves nothing open. */
  protected override toError(
    error: unknown,
    { key }: SharedOperation,
  ): unknown {
    if (this.isClosed) return new StoreClosedError();
    return toRepeatableError(error, `get "${key}"`);
  }
}
