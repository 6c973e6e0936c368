/**
 * One end of the line between two threads: it sends requests for the other
 * side's methods, and answers those for its own.
 *
 * A request can be made within another. Then the methods that answer it are the
 * `host` of the outer one:
 *
 * ```
 *   main                                        worker
 *    │ ── request 7: serve(input) ──────────────▶ │  sent with a host
 *    │ ◀── request 1 within 7: keepIdentity(…) ── │
 *    │  finds the host of its request 7           │
 *    │ ── answer to 1 ──────────────────────────▶ │
 *    │ ◀── answer to 7 ────────────────────────── │
 * ```
 *
 * @module
 */

import { abortable } from "../abortable.ts";
import { logger } from "../log.ts";
import {
  type ErrorClasses,
  fromPlainError,
  toPlainError,
} from "./error_classes.ts";
import type {
  Methods,
  Remote,
  RequestOptions,
  ServedContext,
} from "./methods.ts";
import { ThreadError } from "./thread_error.ts";
import type { RequestMessage } from "./worker_protocol.ts";

/** Options of {@linkcode RequestPort}. */
export interface RequestPortOptions {
  /** Sends to the other side. */
  readonly post: (message: RequestMessage) => void;
  /** What answers a request that was made within one of this side's; it may have to be loaded first. */
  readonly methods: (
    within: SentRequest | undefined,
  ) => Methods | Promise<Methods>;
  /** What a method is given besides its input. */
  readonly contextOf?:
    | ((id: number, signal: AbortSignal) => ServedContext)
    | undefined;
  /** The classes of errors that both sides know, as far as they are loaded. */
  readonly errors: () => ErrorClasses | undefined;
  /** Checks what the other side sends, if this side does not trust it. */
  readonly checks?: PayloadChecks | undefined;
}

/** What one side checks of what the other one sends; each throws a {@linkcode ThreadError}. */
export interface PayloadChecks {
  /** Reads what a method of this side is given. */
  readonly input: (method: string, input: unknown) => unknown;
  /** Reads what a method of the other side has returned. */
  readonly result: (method: string, result: unknown) => unknown;
  /** Takes what a method of this side noticed. */
  readonly onBroken: (error: ThreadError) => void;
}

/** A request that has been sent. */
export interface SentRequest extends RequestOptions {
  /** What the other side may ask for meanwhile. */
  readonly host?: Methods | undefined;
}

interface Waiting extends SentRequest {
  /** What was asked for; nothing for a ping. */
  readonly method?: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const log = logger("agent");

/** The state of all requests between two threads, on one side. */
export class RequestPort {
  readonly #options: RequestPortOptions;
  /** Sent, and not answered. */
  readonly #waiting = new Map<number, Waiting>();
  /** Received, and under way. */
  readonly #running = new Map<number, AbortController>();
  #sent = 0;
  #failure: Error | undefined;

  /** A port that nothing was sent through. */
  constructor(options: RequestPortOptions) {
    this.#options = options;
  }

  /** The other side's methods, for requests that are made within one of its own, if `within` says so. */
  remote<Wanted, Options extends SentRequest>(
    within?: number,
  ): Remote<Wanted, Options> {
    const send = (method: string, input: unknown, options?: Options) =>
      this.#request(method, input, { ...options, within });
    // The one cast: only the compiler knows which methods there are.
    return new Proxy(Object.freeze({}), {
      get: (_, method) =>
        // `await` reads `then`; the proxy must not look like a promise.
        typeof method === "string" && method !== "then"
          ? (input: unknown, options?: Options) => send(method, input, options)
          : undefined,
    }) as Remote<Wanted, Options>;
  }

  /** Whether the other side's event loop turns: whether it answers before the signal aborts. */
  async ping({ signal }: { readonly signal: AbortSignal }): Promise<boolean> {
    if (this.#failure) return false;
    const id = ++this.#sent;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    try {
      this.#options.post({ type: "ping", id });
      await abortable(promise, signal);
      return true;
    } catch {
      return false;
    } finally {
      this.#waiting.delete(id);
    }
  }

  /**
   * Takes a message of the other side.
   *
   * @throws {ThreadError} if it has what that side does not send.
   */
  take(message: RequestMessage): void {
    const { post, errors, checks } = this.#options;
    const { id } = message;
    switch (message.type) {
      case "request": {
        const { method, input } = message;
        return void this.#serve({
          ...message,
          input: checks ? checks.input(method, input) : input,
        });
      }
      case "abort": {
        const reason = fromPlainError(message.reason, errors());
        return this.#running.get(id)?.abort(reason);
      }
      case "result": {
        const { method, resolve } = this.#waiting.get(id) ?? {};
        const { result } = message;
        return resolve?.(
          checks && method !== undefined
            ? checks.result(method, result)
            : result,
        );
      }
      case "error": {
        const waiting = this.#waiting.get(id);
        const reason = message.isAborted && waiting?.signal?.reason;
        return waiting?.reject(
          reason || fromPlainError(message.error, errors()),
        );
      }
      case "ping":
        return post({ type: "result", id, result: undefined });
    }
  }

  /** Rejects what was sent and is not answered, and all that will be sent. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
  }

  /** Not `async`: some requests are made without waiting for what becomes of them. */
  #request(
    method: string,
    input: unknown,
    options: SentRequest & { readonly within: number | undefined },
  ): Promise<unknown> {
    const ended = this.#send(method, input, options);
    ended.catch(() => {});
    return ended;
  }

  async #send(
    method: string,
    input: unknown,
    { within, ...options }: SentRequest & {
      readonly within: number | undefined;
    },
  ): Promise<unknown> {
    const { signal, graceMs } = options;
    signal?.throwIfAborted();
    if (this.#failure) throw this.#failure;
    const id = ++this.#sent;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { ...options, method, resolve, reject });
    const { post, errors } = this.#options;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onAbort = () => {
      const reason: unknown = signal?.reason;
      if (graceMs !== undefined) {
        timer = setTimeout(() => {
          log.error("A thread of the agent does not end its work in time", {
            work: method,
            graceMs,
          });
          reject(reason);
        }, graceMs);
      }
      post({ type: "abort", id, reason: toPlainError(reason, errors()) });
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      post({ type: "request", id, within, method, input });
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async #serve(
    { id, within, method, input }: RequestMessage & {
      readonly type: "request";
    },
  ): Promise<void> {
    const { post, errors, contextOf, checks } = this.#options;
    const controller = new AbortController();
    const { signal } = controller;
    this.#running.set(id, controller);
    try {
      const parent = within === undefined
        ? undefined
        : this.#waiting.get(within);
      const methods = this.#options.methods(parent);
      const serve = methodOf(
        methods instanceof Promise ? await methods : methods,
        method,
      );
      signal.throwIfAborted();
      const context = contextOf?.(id, signal) ?? { signal };
      const result: unknown = await serve(input, context);
      post({ type: "result", id, result });
    } catch (thrown) {
      if (checks && thrown instanceof ThreadError) checks.onBroken(thrown);
      const isAborted = signal.aborted && thrown === signal.reason;
      const error = toPlainError(thrown, errors());
      post({ type: "error", id, error, isAborted });
    } finally {
      this.#running.delete(id);
    }
  }
}

/** The other side may ask for what is offered, and for nothing that every object has. */
function methodOf(
  methods: Methods,
  name: string,
): (input: unknown, context: ServedContext) => unknown {
  const method: unknown = name in Object.prototype
    ? undefined
    : Reflect.get(methods, name);
  if (typeof method !== "function") {
    throw new Error(`There is no method "${name}"`);
  }
  return (input, context) => Reflect.apply(method, methods, [input, context]);
}
