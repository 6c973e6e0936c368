/**
 * The stream of a watch, which checks that its member still serves the watch.
 *
 * @module
 */

import type { IWatchRequest, IWatchResponse } from "etcd3/lib/rpc.js";
import type { Clock } from "../../base/clock.ts";
import type { MessageStream } from "../../etcd/client/message_stream.ts";

/**
 * How long a stream may be quiet before the member is asked whether it still
 * serves the watch. gRPC's pings only show that its connection lives.
 */
const QUIET_MS = 10_000;
/** How long it may take to answer that. */
const SILENT_MS = 5_000;
/** Ends the checks; never thrown to a caller. */
const OVER = new Error("The stream has ended");

/**
 * One open stream. One that stays quiet while it is read is asked for a sign of
 * life, and ended if none comes.
 *
 * Thousands of messages may come in a second. A message does not restart the
 * timer; only the time when the reader began to wait is stored.
 */
export class WatchStream implements Disposable {
  readonly #stream: MessageStream<IWatchRequest, IWatchResponse>;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  #waits = 0;
  #waitsSinceMs = 0;
  #isSilent = false;

  /** Takes over an open stream whose watch is confirmed. */
  constructor(
    stream: MessageStream<IWatchRequest, IWatchResponse>,
    clock: Clock,
  ) {
    this.#stream = stream;
    this.#clock = clock;
    this.#observe().catch((error) => {
      if (error !== OVER) this[Symbol.dispose]();
    });
  }

  /** Whether it was ended because its member said nothing any more. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** The next message if it has come already. */
  take(): IWatchResponse | undefined {
    return this.#stream.take();
  }

  /**
   * Resolves with the next message, or with `undefined` once the stream has
   * ended without an error. One reader at a time.
   *
   * @throws {EtcdCallError} if the stream broke.
   */
  next(): Promise<IWatchResponse | undefined> {
    this.#waits += 1;
    this.#waitsSinceMs = this.#clock.nowMs();
    return this.#stream.next();
  }

  /** Ends the stream; a waiting reader gets `undefined`. */
  [Symbol.dispose](): void {
    this.#over.abort(OVER);
    this.#stream[Symbol.dispose]();
  }

  /** Nothing is asked while the reader is busy: what has come then waits for it. */
  async #observe(): Promise<void> {
    const { signal } = this.#over;
    while (!this.#stream.ended) {
      const quietMs = this.#stream.isAwaited
        ? this.#clock.nowMs() - this.#waitsSinceMs
        : 0;
      if (quietMs < QUIET_MS) {
        await this.#clock.sleep(QUIET_MS - quietMs, { signal });
        continue;
      }
      const asked = this.#waits;
      this.#stream.write({ progress_request: {} });
      await this.#clock.sleep(SILENT_MS, { signal });
      if (!this.#stream.isAwaited || this.#waits !== asked) continue;
      this.#isSilent = true;
      this[Symbol.dispose]();
    }
  }
}
