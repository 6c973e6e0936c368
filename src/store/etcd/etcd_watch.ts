/**
 * A watch on etcd that survives lost connections without gap or duplicate.
 *
 * @module
 */

import type { IEvent, IWatchRequest, IWatchResponse } from "etcd3/lib/rpc.js";
import { abortable, Deadline } from "../../base/abortable.ts";
import { Backoff } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import {
  AnotherEtcdError,
  EtcdCallError,
} from "../../etcd/client/etcd_call_error.ts";
import type { EtcdClient } from "../../etcd/client/etcd_client.ts";
import { idempotent, toRepeatableError } from "./etcd_errors.ts";
import { keyBytes, prefixRange, toKV } from "./etcd_range.ts";
import { looksLikePrefix } from "../keys.ts";
import {
  CompactedError,
  StoreError,
  StoreUnavailableError,
  type Watch,
  type WatchEvent,
} from "../state_store.ts";
import { WatchStream } from "./watch_stream.ts";

/** What a watch needs. */
export interface EtcdWatchInit {
  /** The connection. */
  readonly client: EtcdClient;
  /** The clock for pauses between reconnects. */
  readonly clock: Clock;
  /** A key, or with a trailing `/` a prefix. */
  readonly keyOrPrefix: string;
  /** Whether all keys that start with it are watched. @default {whether it ends with `/`, or is empty} */
  readonly prefix?: boolean | undefined;
  /** The first revision to deliver. */
  readonly startRevision: bigint;
  /** Ends the watch with its reason. */
  readonly signal: AbortSignal;
}

/** How long a member may take to confirm a watch. */
const OPEN_MS = 5_000;

/**
 * ```
 *   opening ──created──▶ open ──event──▶ open (next = its revision + 1)
 *      ▲                  │ stream broke, fell silent or was cancelled: pause
 *      └──────────────────┘
 *   either ──compacted, aborted, closed──▶ over
 * ```
 *
 * Each watch has a stream of its own, so that none can delay another's events.
 * It resumes after the last *event*; the revisions in etcd's headers run ahead
 * of the events that are still to come and say nothing.
 */
export class EtcdWatch implements Watch {
  readonly #init: EtcdWatchInit;
  readonly #closed = new AbortController();
  readonly #signal: AbortSignal;
  readonly #deliveries: AsyncGenerator<WatchEvent, undefined>;
  /** How many calls of `next` wait for an event; later calls must not overtake them. */
  #asked = 0;
  /** What came in the last response and is not delivered yet, the first last. */
  #events: IEvent[] = [];
  #stream: WatchStream | undefined;
  #next: bigint;
  /** How many events of the next revision were taken in already: a fragment ended within it. */
  #taken = 0;
  /** How many of these the present stream has shown. */
  #shown = 0;
  /** What comes before the next revision is compacted, so that a stream cannot start there. */
  #atEdge = false;

  private constructor(init: EtcdWatchInit) {
    this.#init = init;
    this.#next = init.startRevision;
    this.#signal = AbortSignal.any([init.signal, this.#closed.signal]);
    this.#deliveries = this.#deliver();
    // Also while no `next` waits: an open stream would keep the connection.
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
    watch.#stream = await idempotent(what, () => watch.#open());
    // An abort between the two could not drop the stream.
    if (watch.#signal.aborted) watch.#drop();
    return watch;
  }

  /** The next event, as soon as there is one. */
  async next(): Promise<IteratorResult<WatchEvent, undefined>> {
    // An event that has come already needs no turn of the generator.
    const value = this.#asked === 0 ? this.#take() : undefined;
    if (value) return { done: false, value };
    this.#asked += 1;
    try {
      return await this.#deliveries.next();
    } finally {
      this.#asked -= 1;
    }
  }

  /** Ends the watch, as leaving a loop does. */
  async return(): Promise<IteratorResult<WatchEvent, undefined>> {
    this.close();
    return await this.#deliveries.return(undefined);
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
          const event = this.#take();
          if (event) {
            yield event;
            continue;
          }
          this.#stream ??= await this.#open();
          this.#accept(await this.#response(this.#stream));
          pauses.reset();
        } catch (error) {
          this.#drop();
          if (this.#closed.signal.aborted) break;
          this.#init.signal.throwIfAborted();
          if (error instanceof CompactedError) throw error;
          if (error instanceof AnotherEtcdError) {
            throw toRepeatableError(error, `watch "${this.#init.keyOrPrefix}"`);
          }
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

  /** The next message of a stream. */
  async #response(stream: WatchStream): Promise<IWatchResponse> {
    const response = stream.take() ?? await stream.next();
    if (response) return response;
    if (!stream.isSilent) throw cancelled("the stream ended");
    this.#init.client.preferNextMember();
    throw cancelled("the member has fallen silent");
  }

  /**
   * Takes in the events of one response; what a resumed stream repeats is left
   * out. A fragment may end within a revision: until the rest has come, a stream
   * resumes at that revision and leaves out as many of its events as were taken.
   */
  #accept(response: IWatchResponse): void {
    if (response.canceled) throw this.#cancellation(response);
    const { events, fragment } = response;
    const last = events.at(-1)?.kv.mod_revision;
    const first = events.findIndex((event) => this.#isNew(event));
    if (last === undefined || first < 0) return;
    this.#events = events.slice(first).reverse();
    this.#atEdge = false;
    // No stream is opened before all of them are delivered.
    const revision = BigInt(last);
    if (!fragment) {
      this.#next = revision + 1n;
      this.#taken = 0;
    } else {
      const other = this.#events.findIndex(({ kv }) =>
        kv.mod_revision !== last
      );
      const count = other < 0 ? this.#events.length : other;
      this.#taken = revision === this.#next ? this.#taken + count : count;
      this.#next = revision;
    }
    this.#shown = this.#taken;
  }

  /** Whether an event of this stream was not taken in before; asked for each in order, until one is. */
  #isNew({ kv: { mod_revision } }: IEvent): boolean {
    const revision = BigInt(mod_revision);
    if (revision !== this.#next) return revision > this.#next;
    if (this.#shown >= this.#taken) return true;
    this.#shown += 1;
    return false;
  }

  /** The next event that has come already, unless the watch is over. */
  #take(): WatchEvent | undefined {
    if (this.#signal.aborted) return undefined;
    const event = this.#events.pop();
    return event && toWatchEvent(event);
  }

  /**
   * One before the next: etcd from 3.5 on gives no sign of life to a watch that
   * starts in the future. What is delivered besides is left out.
   */
  get #start(): bigint {
    return this.#next > 1n && !this.#atEdge ? this.#next - 1n : this.#next;
  }

  /** Opens a stream and waits until the member has confirmed the watch. */
  async #open(): Promise<WatchStream> {
    const { client, keyOrPrefix, prefix } = this.#init;
    const isPrefix = prefix ?? looksLikePrefix(keyOrPrefix);
    const range = isPrefix
      ? prefixRange(keyOrPrefix)
      : { key: keyBytes(keyOrPrefix) };
    using deadline = new Deadline(
      OPEN_MS,
      () => cancelled("no member confirmed it in time"),
      [this.#signal],
      this.#init.clock,
    );
    const stream = await client.stream<IWatchRequest, IWatchResponse>(
      "Watch",
      "watch",
      { signal: deadline.signal, timeoutMs: OPEN_MS },
    );
    try {
      stream.write({
        create_request: {
          ...range,
          start_revision: this.#start.toString(),
          prev_kv: true,
          // Else etcd puts up to 1,000 revisions into one message.
          fragment: true,
        },
      });
      const response = await abortable(stream.next(), deadline.signal);
      if (response === undefined) throw cancelled("the stream ended");
      if (response.canceled) throw this.#cancellation(response);
      this.#shown = 0;
      return new WatchStream(stream, this.#init.clock);
    } catch (error) {
      stream[Symbol.dispose]();
      if (!this.#signal.aborted) client.preferNextMember();
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

function toWatchEvent({ type, kv, prev_kv }: IEvent): WatchEvent {
  return {
    type: type === "Delete" ? "delete" : "put",
    kv: toKV(kv),
    ...(prev_kv ? { prevKV: toKV(prev_kv) } : {}),
  };
}

function cancelled(why: string): StoreUnavailableError {
  return new StoreUnavailableError(`The watch was interrupted: ${why}`);
}
