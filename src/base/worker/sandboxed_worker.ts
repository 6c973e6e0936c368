/**
 * A part of the program in a Worker of its own, with permissions of its own:
 * what they do not name, Deno refuses there, to our code and to any package.
 *
 * @module
 */

import { abortable } from "../abortable.ts";
import type {
  CallShape,
  HostMessage,
  PartMessage,
  PartShape,
} from "./worker_protocol.ts";
import { ShutdownRequested } from "../errors.ts";
import { addExitHook } from "../exit_hooks.ts";
import { logger, logLevel, relog } from "../log.ts";
import { fromPlainError, toPlainError } from "./plain_error.ts";

/** What a part may do; what is absent is refused. */
export type Permissions = Pick<
  Deno.PermissionOptionsObject,
  "env" | "net" | "read" | "run" | "sys" | "write"
>;

/** Options of {@linkcode SandboxedWorker.start}. */
export interface SandboxOptions {
  /** The module that calls `serveCalls`. */
  readonly module: URL;
  /** What it may do. */
  readonly permissions: Permissions;
  /** Whether it has something to do in {@linkcode runExitHooks}. @default {false} */
  readonly hasExitHooks?: boolean | undefined;
}

/** Options of {@linkcode SandboxedWorker.call}. */
export interface CallOptions<News> {
  /** Asks the call to end; it rejects with the signal's reason once it has. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long the part may take to end the call once it was asked to, in
   * milliseconds; then it is given up, and the call rejects alike. @default {for ever}
   */
  readonly graceMs?: number | undefined;
  /** Takes its news; the part may wait for what this returns. */
  readonly onNews?: ((news: News) => unknown) | undefined;
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onNews: ((news: unknown) => unknown) | undefined;
}

const log = logger("agent");

/** How long its last acts may take before the program ends without them. */
const EXIT_HOOKS_MS = 500;

/** A running part. Its log lines are this program's own. */
export class SandboxedWorker<Part extends PartShape<Part>>
  implements Disposable {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #exitHooks: Disposable | undefined;
  readonly #ready = Promise.withResolvers<void>();
  #calls = 0;
  #failure: Error | undefined;

  private constructor(
    { module, permissions, hasExitHooks = false }: SandboxOptions,
  ) {
    this.#worker = new Worker(module, {
      type: "module",
      deno: {
        permissions: {
          env: false,
          ffi: false,
          import: false,
          net: false,
          read: false,
          run: false,
          sys: false,
          write: false,
          ...permissions,
        },
      },
    });
    this.#worker.onmessage = ({ data }: MessageEvent<PartMessage>) =>
      this.#take(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(event.message));
    };
    // Whoever calls hears of it; nobody need.
    this.#ready.promise.catch(() => {});
    this.#post({ type: "start", logLevel: logLevel() });
    if (hasExitHooks) this.#exitHooks = addExitHook(() => this.#actAtOnce());
  }

  /** Starts a part; it loads while the caller goes on. */
  static start<Part extends PartShape<Part>>(
    options: SandboxOptions,
  ): SandboxedWorker<Part> {
    return new SandboxedWorker<Part>(options);
  }

  /** Resolves once it is loaded; rejects if that fails. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /**
   * Has the part do something.
   *
   * @throws {Error} what the part threw: a `KatError` if it was one, with its
   * name and exit code; else a bug, with the part's own stack.
   */
  async call<Name extends keyof Part & string>(
    name: Name,
    input: Part[Name]["input"],
    { signal, graceMs, onNews }: CallOptions<Part[Name]["news"]> = {},
  ): Promise<Part[Name]["result"]> {
    signal?.throwIfAborted();
    if (this.#failure) throw this.#failure;
    const call = ++this.#calls;
    const { promise, resolve, reject } = Promise.withResolvers<
      CallShape["result"]
    >();
    this.#pending.set(call, {
      resolve,
      reject,
      signal,
      onNews: onNews as Pending["onNews"],
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onAbort = () => {
      const { reason } = signal ?? {};
      if (graceMs !== undefined) {
        timer = setTimeout(() => {
          log.error("A part of the agent does not end and is given up", {
            part: name,
            graceMs,
          });
          reject(reason);
        }, graceMs);
      }
      this.#post({
        type: "abort",
        call,
        signalName: reason instanceof ShutdownRequested
          ? reason.signalName
          : undefined,
      });
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      this.#post({ type: "call", call, name, input });
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(call);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** {@linkcode call}, without waiting for its end once the signal aborts. */
  async ask<Name extends keyof Part & string>(
    name: Name,
    input: Part[Name]["input"],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Part[Name]["result"]> {
    return await abortable(this.call(name, input, { signal }), signal);
  }

  /** Whether its event loop turns: whether it answers before the signal aborts. */
  async turns({ signal }: { readonly signal: AbortSignal }): Promise<boolean> {
    if (this.#failure) return false;
    const call = ++this.#calls;
    const answer = Promise.withResolvers<unknown>();
    const { resolve, reject } = answer;
    const pending = { resolve, reject, signal: undefined, onNews: undefined };
    this.#pending.set(call, pending);
    try {
      this.#post({ type: "ping", call });
      await abortable(answer.promise, signal);
      return true;
    } catch {
      return false;
    } finally {
      this.#pending.delete(call);
    }
  }

  /** Ends it at once; calls that are under way reject. */
  [Symbol.dispose](): void {
    this.#exitHooks?.[Symbol.dispose]();
    this.#worker.terminate();
    this.#fail(new Error("The part was ended"));
  }

  #post(message: HostMessage): void {
    this.#worker.postMessage(message);
  }

  #take(message: PartMessage): void {
    switch (message.type) {
      case "ready":
        return this.#ready.resolve();
      case "log":
        return relog(message.record);
      case "news":
        return void this.#hear(message);
      case "result":
        return this.#pending.get(message.call)?.resolve(message.result);
      case "error": {
        const { call, error, aborted } = message;
        const pending = this.#pending.get(call);
        const reason = aborted && pending?.signal?.reason;
        return pending?.reject(reason || fromPlainError(error));
      }
      case "bug":
        return this.#fail(fromPlainError(message.error));
    }
  }

  async #hear(
    { call, id, news }: PartMessage & { readonly type: "news" },
  ): Promise<void> {
    let error, reply;
    try {
      reply = await this.#pending.get(call)?.onNews?.(news);
    } catch (thrown) {
      error = toPlainError(thrown);
    }
    this.#post({ type: "heard", news: id, reply, error });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#ready.reject(error);
    for (const { reject } of this.#pending.values()) reject(error);
  }

  /** This thread stands still meanwhile: the process ends right after. */
  #actAtOnce(): void {
    const done = new Int32Array(new SharedArrayBuffer(4));
    this.#post({ type: "hard exit", done });
    Atomics.wait(done, 0, 0, EXIT_HOOKS_MS);
  }
}
