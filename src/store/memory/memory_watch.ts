/**
 * A watch on the store in memory.
 *
 * @module
 */

import { abortable } from "../../base/abortable.ts";
import { looksLikePrefix } from "../keys.ts";
import type { MemoryDatabase } from "./memory_database.ts";
import type { Watch, WatchEvent } from "../state_store.ts";

/** What a {@linkcode MemoryWatch} needs. */
export interface MemoryWatchInit {
  /** What is watched. */
  readonly database: MemoryDatabase;
  /** A key, or with a trailing `/` a prefix. */
  readonly keyOrPrefix: string;
  /** Whether all keys that start with it are watched. @default {whether it ends with `/`, or is empty} */
  readonly prefix?: boolean | undefined;
  /** The first revision to deliver. */
  readonly startRevision: bigint;
  /** Resolves when the store can be reached. */
  readonly connected: () => Promise<void>;
  /** Ends the watch with its reason. */
  readonly signal: AbortSignal;
}

/** Events from the database's history, as they come. */
export class MemoryWatch implements Watch {
  readonly #init: MemoryWatchInit;
  readonly #closed = new AbortController();
  readonly #events: AsyncGenerator<WatchEvent, undefined>;
  readonly #observing: Disposable;
  #changed = Promise.withResolvers<void>();

  /**
   * A watch that stands at once.
   *
   * @throws {CompactedError} if its start is no longer kept.
   */
  constructor(init: MemoryWatchInit) {
    init.database.eventsFrom(init.startRevision);
    this.#init = init;
    this.#observing = init.database.observe(() => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
    this.#events = this.#deliver();
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
    this.#observing[Symbol.dispose]();
    this.#closed.abort();
  }

  /** Ends the watch. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async *#deliver(): AsyncGenerator<WatchEvent, undefined> {
    const { database, connected, keyOrPrefix, prefix, startRevision } =
      this.#init;
    const isPrefix = prefix ?? looksLikePrefix(keyOrPrefix);
    const signal = AbortSignal.any([this.#init.signal, this.#closed.signal]);
    let next = startRevision;
    try {
      while (true) {
        await abortable(connected(), signal);
        const changed = this.#changed.promise;
        const events = database.eventsFrom(next);
        for (const event of events) {
          next = event.kv.version + 1n;
          const wanted = isPrefix
            ? event.kv.key.startsWith(keyOrPrefix)
            : event.kv.key === keyOrPrefix;
          signal.throwIfAborted();
          // Each reader has events of its own, which it may change.
          if (wanted) yield structuredClone(event);
        }
        if (events.length === 0) await this.#change(changed, signal);
      }
    } catch (error) {
      if (!this.#closed.signal.aborted) throw error;
      this.#init.signal.throwIfAborted();
      return undefined;
    } finally {
      this.#observing[Symbol.dispose]();
    }
  }

  /** Waits for a change, or for the moment at which a lease ends. */
  async #change(changed: Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, nextExpiryMs } = this.#init.database;
    if (nextExpiryMs === undefined) return await abortable(changed, signal);
    const enough = new AbortController();
    const expiry = clock.sleep(Math.max(1, nextExpiryMs - clock.nowMs()), {
      signal: AbortSignal.any([signal, enough.signal]),
    }).catch(() => {});
    try {
      await abortable(Promise.race([changed, expiry]), signal);
    } finally {
      enough.abort();
      await expiry;
    }
  }
}
