/**
 * A watch on etcd that survives lost connections without gap or duplicate.
 *
 * @module
 */

import type { IWatchRequest, IWatchResponse } from "etcd3/lib/rpc.js";
import { abortable, Deadline } from "../base/abortable.ts";
import { Backoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { EtcdCallError } from "../etcd/etcd_call_error.ts";
import type { EtcdClient } from "../etcd/etcd_client.ts";
import type { MessageStream } from "../etcd/message_stream.ts";
import { askingAgain } from "./etcd_errors.ts";
import { keyBytes, prefixRange, toKV } from "./etcd_range.ts";
import {
  CompactedError,
  StoreError,
  StoreUnavailableError,
  type Watch,
  type WatchEvent,
} from "./state_store.ts";

/** What a watch needs. */
export interface EtcdWatchInit {
  /** The connection. */
  readonly client: EtcdClient;
  /** The clock for pauses between reconnects. */
  readonly clock: Clock;
  /** A key, or with a trailing `/` a prefix. */
  readonly keyOrPrefix: string;
  /** The first revision to deliver. */
  readonly startRevision: bigint;
  /** Ends the watch with its reason. */
  readonly signal: AbortSignal;
}

type Stream = MessageStream<IWatchRequest, IWatchResponse>;

/** How long a member may take to confirm a watch, or that it still serves it. */
const OPEN_MS = 5_000;
/**
 * How long a stream may be quiet before the member is asked whether it still
 * serves the watch. gRPC's pings only show that its connection lives.
 */
const QUIET_MS = 10_000;
/** Why a wait ends in that case. */
const QUIET = new Error("The stream is quiet");

/**
 * ```
 *   opening ──created──▶ open ──event──▶ open (next = its revision + 1)
 *      ▲                  │ stream broke, fell silent or was cancelled: pause
 *      └──────────────────┘
 *   either ──compacted, aborted, closed──▶ over
 * ```
 *
 * Each watch has a stream of its own, so that none can make another deaf. It
 * resumes after the last *event*; the revisions in etcd's headers run ahead of
 * the events that are still to come and say nothing.
 */
export class EtcdWatch implements Watch {
  readonly #init: EtcdWatchInit;
  readonly #closed = new AbortController();
  readonly #signal: AbortSignal;
  readonly #events: AsyncGenerator<WatchEvent, undefined>;
  #stream: Stream | undefined;
  #next: bigint;
  /** What comes before the next revision is compacted, so that a stream cannot start there. */
  #atEdge = false;

  private constructor(init: EtcdWatchInit) {
    this.#init = init;
    this.#next = init.startRevision;
    this.#signal = AbortSignal.any([init.signal, this.#closed.signal]);
    this.#events = this.#deliver();
    // Also when nobody is reading: an open stream would keep the connection.
    this.#signal.addEventListener("abort", () => this.#drop(), { once: true });
  }

  /**
   * Opens a watch; every change from the start revision on will be delivered.
   *
   * @throws {StoreError} if no member can be reached, or the start is compacted.
   */
  static async open(init: EtcdWatchInit): Promise<EtcdWatch> {
    const watch = new EtcdWatch(init);
    const what = `watch "${init.keyOrPrefix}"`;
    watch.#stream = await askingAgain(what, () => watch.#open());
    // Called off in the moment between, it has dropped no stream yet.
    if (watch.#signal.aborted) watch.#drop();
    return watch;
  }

  /** The next event, as soon as there is one. */
  next(): Promise<IteratorResult<WatchEvent, undefined>> {
    return this.#events.next();
  }

  /** Ends the watch, as leaving a loop does. */
  async return(): Promise<IteratorResult<WatchEvent, undefined>> {
    this.close();
    return await this.#events.return(undefined);
  }

  /** The watch itself: its events can be read once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  close(): void {
    this.#closed.abort();
  }

  /** Ends the watch. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async *#deliver(): AsyncGenerator<WatchEvent, undefined> {
    const pauses = new Backoff({ firstMs: 50, maxMs: 2_000 });
    try {
      while (!this.#closed.signal.aborted) {
        try {
          this.#init.signal.throwIfAborted();
          this.#stream ??= await this.#open();
          const response = await this.#response(this.#stream);
          if (response === undefined) throw cancelled("the stream ended");
          yield* this.#accept(response);
          pauses.reset();
        } catch (error) {
          this.#drop();
          if (this.#closed.signal.aborted) break;
          this.#init.signal.throwIfAborted();
          if (error instanceof CompactedError) throw error;
          const expected = error instanceof EtcdCallError ||
            error instanceof StoreError;
          if (!expected) throw error;
          this.#report(error);
          await this.#init.clock.sleep(pauses.nextMs(), {
            signal: this.#signal,
          }).catch(() => {});
        }
      }
    } finally {
      this.#drop();
    }
    return undefined;
  }

  /** The next message; a stream that has long been quiet must prove that it is alive. */
  async #response(stream: Stream): Promise<IWatchResponse | undefined> {
    const { clock } = this.#init;
    const response = stream.next();
    using quiet = new Deadline(QUIET_MS, () => QUIET, [this.#signal], clock);
    try {
      return await abortable(response, quiet.signal);
    } catch (error) {
      if (error !== QUIET) throw error;
    }
    stream.write({ progress_request: {} });
    const silent = () => cancelled("the member has fallen silent");
    using late = new Deadline(OPEN_MS, silent, [this.#signal], clock);
    try {
      return await abortable(response, late.signal);
    } catch (error) {
      if (!this.#signal.aborted) this.#init.client.moveOn();
      throw error;
    }
  }

  /** The events of one response; what a resumed stream repeats is left out. */
  *#accept(response: IWatchResponse): Generator<WatchEvent> {
    if (response.canceled) throw this.#cancellation(response);
    const next = this.#next;
    for (const { type, kv, prev_kv } of response.events) {
      if (BigInt(kv.mod_revision) < next) continue;
      if (this.#signal.aborted) return;
      // etcd never splits a revision over two responses, but a reader may stop
      // between two events of one: only a whole response moves the mark.
      yield {
        type: type === "Delete" ? "delete" : "put",
        kv: toKV(kv),
        ...(prev_kv ? { prevKV: toKV(prev_kv) } : {}),
      };
    }
    const last = response.events.at(-1);
    if (last === undefined || BigInt(last.kv.mod_revision) < next) return;
    this.#next = BigInt(last.kv.mod_revision) + 1n;
    this.#atEdge = false;
  }

  /**
   * One before the next: etcd from 3.5 on gives no sign of life to a watch that
   * starts in the future. What is delivered besides is left out.
   */
  get #start(): bigint {
    return this.#next > 1n && !this.#atEdge ? this.#next - 1n : this.#next;
  }

  /** Opens a stream and waits until the member has confirmed the watch. */
  async #open(): Promise<Stream> {
    const { client, keyOrPrefix } = this.#init;
    const isPrefix = keyOrPrefix === "" || keyOrPrefix.endsWith("/");
    const range = isPrefix
      ? prefixRange(keyOrPrefix)
      : { key: keyBytes(keyOrPrefix) };
    using deadline = new Deadline(
      OPEN_MS,
      () => cancelled("no member confirmed it in time"),
      [this.#signal],
      this.#init.clock,
    );
    const stream: Stream = await client.stream("Watch", "watch", {
      signal: deadline.signal,
      timeoutMs: OPEN_MS,
    });
    try {
      stream.write({
        create_request: {
          ...range,
          start_revision: this.#start.toString(),
          prev_kv: true,
        },
      });
      const response = await abortable(stream.next(), deadline.signal);
      if (response === undefined) throw cancelled("the stream ended");
      if (response.canceled) throw this.#cancellation(response);
      return stream;
    } catch (error) {
      stream[Symbol.dispose]();
      if (!this.#signal.aborted) client.moveOn();
      throw error;
    }
  }

  #cancellation(response: IWatchResponse): StoreError {
    const compacted = BigInt(response.compact_revision);
    if (compacted === this.#next && !this.#atEdge) {
      this.#atEdge = true;
      return cancelled("the revision before its next one is compacted");
    }
    const what = `Cannot watch "${this.#init.keyOrPrefix}"`;
    return compacted > 0n
      ? new CompactedError(
        `${what} from revision ${this.#next}: it is compacted up to ${compacted}`,
        compacted,
      )
      : cancelled(response.cancel_reason || "the member cancelled it");
  }

  #report(error: unknown): void {
    logger("store").debug("A watch is opened again", {
      key: this.#init.keyOrPrefix,
      revision: this.#next,
      reason: messageOf(error),
    });
  }

  #drop(): void {
    this.#stream?.[Symbol.dispose]();
    this.#stream = undefined;
  }
}

function cancelled(why: string): StoreUnavailableError {
  return new StoreUnavailableError(`The watch was interrupted: ${why}`);
}
