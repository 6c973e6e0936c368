/**
 * A thread of the program with permissions of its own: what they do not name,
 * Deno refuses there, to our code and to any package.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { addExitHook } from "../exit_hooks.ts";
import { logLevel, relog } from "../log.ts";
import { type ErrorClasses, fromPlainError } from "./error_classes.ts";
import type {
  Remote,
  RequestOptions,
  Served,
  ServedContext,
} from "./methods.ts";
import { RequestPort } from "./request_port.ts";
import { ThreadError } from "./thread_error.ts";
import type { HostMessage } from "./worker_protocol.ts";
import {
  readSent,
  readWorkerMessage,
  type SchemaOf,
  type WorkerSchemas,
} from "./worker_schemas.ts";

/** What a Worker may do; what is absent is refused. */
export type Permissions = Pick<
  Deno.PermissionOptionsObject,
  "env" | "net" | "read" | "run" | "sys" | "write"
>;

/** Options of {@linkcode SandboxedWorker.start}. */
export interface SandboxOptions<Offered = unknown, Host = unknown> {
  /** The module that calls `serveMethods`. */
  readonly module: URL;
  /** What it may do. */
  readonly permissions: Permissions;
  /** Whether it has something to do in {@linkcode runExitHooks}. @default {false} */
  readonly hasExitHooks?: boolean | undefined;
  /** The classes of errors that it knows as well. */
  readonly errors?: ErrorClasses | undefined;
  /**
   * What it may give to its host and return: what differs ends it.
   *
   * @default {any plain data}
   */
  readonly schemas?: WorkerSchemas<Offered, Host> | undefined;
}

/** What a request to a Worker has besides its input. */
export interface WorkerRequestOptions<Host> extends RequestOptions {
  /** What this thread does for the Worker, as long as the request lasts. */
  readonly host?: Served<Host, ServedContext> | undefined;
}

/** How long its exit hooks may take before the program ends without them. */
const EXIT_HOOKS_MS = 500;

/** Schemas by names that only the thread knows. */
type Schemas = Readonly<Record<string, SchemaOf<unknown>>>;

/**
 * A running Worker. Its log lines are this program's own. What it sends is
 * checked: once it has sent what no thread of ours does, nothing more is taken
 * from it, and every request to it rejects with a {@linkcode ThreadError}.
 */
export class SandboxedWorker<Offered, Host = never> implements Disposable {
  /** What it does when asked; rejects as the Worker does, and with its bug once it has ended by one. */
  readonly remote: Remote<Offered, WorkerRequestOptions<Host>>;
  readonly #worker: Worker;
  readonly #port: RequestPort;
  readonly #exitHooks: Disposable | undefined;
  readonly #ready = Promise.withResolvers<void>();
  readonly #name: string;
  #isBroken = false;

  private constructor(
    { module, permissions, hasExitHooks = false, errors, schemas }:
      SandboxOptions<Offered, Host>,
  ) {
    this.#name = /([^/]*?)(_worker)?\.\w+$/.exec(module.href)?.[1] ?? "";
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
    this.#port = new RequestPort({
      post: (message) => this.#post(message),
      methods: (request) => request?.host ?? {},
      errors: () => errors,
      checks: {
        input: (method, input) =>
          readBy(schemas?.inputs, { method, data: input, what: "an input" }),
        result: (method, result) =>
          readBy(schemas?.results, { method, data: result, what: "a result" }),
        onBroken: (error) => this.#break(error),
      },
    });
    this.remote = this.#port.remote();
    this.#worker.onmessage = ({ data }: MessageEvent<unknown>) =>
      this.#take(data);
    this.#worker.onmessageerror = () =>
      this.#break(new ThreadError("sent what cannot be read"));
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(event.message));
    };
    // Also told by each request.
    this.#ready.promise.catch(() => {});
    this.#post({ type: "start", logLevel: logLevel() });
    if (hasExitHooks) this.#exitHooks = addExitHook(() => this.#endAtOnce());
  }

  /** Starts a Worker; it loads while the caller goes on. */
  static start<Offered, Host = never>(
    options: SandboxOptions<Offered, Host>,
  ): SandboxedWorker<Offered, Host> {
    return new SandboxedWorker<Offered, Host>(options);
  }

  /** Resolves once it is loaded; rejects if that fails. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Whether its event loop turns: whether it answers before the signal aborts. */
  turns(options: { readonly signal: AbortSignal }): Promise<boolean> {
    return this.#port.ping(options);
  }

  /** Ends it at once; requests that are under way reject. */
  [Symbol.dispose](): void {
    // It could not be asked to do that in order.
    if (this.#exitHooks && this.#isBroken) this.#endAtOnce();
    this.#exitHooks?.[Symbol.dispose]();
    this.#worker.terminate();
    this.#fail(new Error("The Worker was ended"));
  }

  #post(message: HostMessage): void {
    this.#worker.postMessage(message);
  }

  #take(data: unknown): void {
    if (this.#isBroken) return;
    try {
      const message = readWorkerMessage(data);
      switch (message.type) {
        case "ready":
          return this.#ready.resolve();
        case "log":
          return relog(message.record);
        case "bug":
          return this.#fail(fromPlainError(message.error));
        default:
          return this.#port.take(message);
      }
    } catch (error) {
      this.#break(error);
    }
  }

  /** One that has exit hooks runs on until it is disposed of: they are still wanted. */
  #break(cause: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const what = cause instanceof ThreadError
      ? cause.what
      : `sent what led to an error: ${messageOf(cause)}`;
    if (!this.#exitHooks) this.#worker.terminate();
    this.#fail(new ThreadError(what, { thread: this.#name, cause }));
  }

  #fail(error: Error): void {
    this.#ready.reject(error);
    this.#port.fail(error);
  }

  /** This thread stands still meanwhile: the process ends right after. */
  #endAtOnce(): void {
    const done = new Int32Array(new SharedArrayBuffer(4));
    this.#post({ type: "run exit hooks", done });
    Atomics.wait(done, 0, 0, EXIT_HOOKS_MS);
  }
}

/** A method that is not known is refused when it is looked for. */
function readBy(
  schemas: object | undefined,
  { method, data, what }: {
    readonly method: string;
    readonly data: unknown;
    readonly what: string;
  },
): unknown {
  if (!schemas || !Object.hasOwn(schemas, method)) return data;
  const schema = (schemas as Schemas)[method];
  return schema ? readSent(schema, data, `${what} of "${method}"`) : data;
}
