/**
 * A gRPC duplex stream as something to read from, with back-pressure and
 * without events that can kill the process.
 *
 * @module
 */

import type { EtcdCallError } from "./etcd_call_error.ts";
import { bytesOf } from "./message_decoder.ts";

/** What this module needs of gRPC's stream. */
export interface DuplexCall {
  /** Sends one message. */
  write(message: unknown): boolean;
  /** Ends the call; the server sees it as cancelled. */
  cancel(): void;
  /** Stops reading from the connection until resumed. */
  pause(): unknown;
  /** Reads again. */
  resume(): unknown;
  /** Registers a handler. */
  on(event: string, handler: (argument: never) => void): unknown;
}

/** Options of {@linkcode MessageStream}. */
export interface MessageStreamOptions<Response> {
  /** Sorts what the transport reports. */
  readonly toError: (error: unknown) => EtcdCallError;
  /** Throws an {@linkcode EtcdCallError} for a message that may not be taken; it ends the stream. */
  readonly check?: ((message: Response) => void) | undefined;
}

/** Messages that may wait to be taken before the connection is paused. */
const WAITING_LIMIT = 16;
/** So many bytes of them. */
const WAITING_BYTES = 4 * 1024 ** 2;

/** One open stream: messages in order, then the reason it ended. */
export class MessageStream<Request, Response> implements Disposable {
  readonly #call: DuplexCall;
  readonly #waiting: Response[] = [];
  #taker: PromiseWithResolvers<Response | undefined> | undefined;
  #ended = false;
  #error: EtcdCallError | undefined;
  #paused = false;
  #waitingBytes = 0;
  readonly #check: ((message: Response) => void) | undefined;

  /** Wraps `call`. */
  constructor(
    call: DuplexCall,
    { toError, check }: MessageStreamOptions<Response>,
  ) {
    this.#call = call;
    this.#check = check;
    boundReadAhead(call);
    call.on("data", (response: Response) => this.#onData(response));
    call.on("error", (error: Error) => this.#onEnd(toError(error)));
    call.on("end", () => this.#onEnd(undefined));
  }

  /** Whether nothing more will come than what waits already. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Sends a message; after the end it is dropped, and `next` says why. */
  write(message: Request): void {
    if (!this.#ended) this.#call.write(message);
  }

  /** Whether a reader waits for a message. */
  get isAwaited(): boolean {
    return this.#taker !== undefined;
  }

  /** The next message if it has come already. */
  take(): Response | undefined {
    const response = this.#waiting.shift();
    const bytes = bytesOf(response);
    this.#waitingBytes -= bytes;
    // While a large one is being read, none is fetched.
    const mayResume = this.#waiting.length === 0 && bytes < WAITING_BYTES;
    if (this.#paused && mayResume) {
      this.#paused = false;
      this.#call.resume();
    }
    return response;
  }

  /**
   * Resolves with the next message, or with `undefined` once the stream has
   * ended without an error. One reader at a time.
   *
   * @throws {EtcdCallError} if the stream broke.
   */
  next(): Promise<Response | undefined> {
    const response = this.take();
    if (response !== undefined) return Promise.resolve(response);
    if (this.#error) return Promise.reject(this.#error);
    if (this.#ended) return Promise.resolve(undefined);
    this.#taker = Promise.withResolvers();
    return this.#taker.promise;
  }

  /** Ends the stream; a waiting reader gets `undefined`. */
  [Symbol.dispose](): void {
    this.#onEnd(undefined);
    this.#waiting.length = 0;
    this.#call.cancel();
  }

  #onData(response: Response): void {
    if (this.#ended) return;
    try {
      this.#check?.(response);
    } catch (error) {
      this.#onEnd(error as EtcdCallError);
      return this.#call.cancel();
    }
    const taker = this.#taker;
    this.#taker = undefined;
    const bytes = bytesOf(response);
    if (taker) taker.resolve(response);
    else {
      this.#waiting.push(response);
      this.#waitingBytes += bytes;
    }
    const isFull = this.#waiting.length >= WAITING_LIMIT ||
      this.#waitingBytes >= WAITING_BYTES || bytes >= WAITING_BYTES;
    if (isFull && !this.#paused) {
      this.#paused = true;
      this.#call.pause();
    }
  }

  #onEnd(error: EtcdCallError | undefined): void {
    // gRPC reports one end up to three times; the first report counts.
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const taker = this.#taker;
    this.#taker = undefined;
    if (error) taker?.reject(error);
    else taker?.resolve(undefined);
  }
}

/**
 * Node's streams read 16 messages ahead also while they are paused, however
 * large these are; gRPC has no option for that.
 */
function boundReadAhead(call: DuplexCall): void {
  const { _readableState: state } = call as {
    readonly _readableState?: { highWaterMark: number };
  };
  if (state) state.highWaterMark = 0;
}
