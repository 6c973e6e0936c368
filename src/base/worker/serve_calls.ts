/**
 * The inner side of a {@linkcode SandboxedWorker}: what its module runs.
 *
 * @module
 */

import type { HostMessage, PartMessage, PartShape } from "./worker_protocol.ts";
import { ShutdownRequested } from "../errors.ts";
import { runExitHooks } from "../exit_hooks.ts";
import { hideEnvironment } from "../hide_environment.ts";
import { startForwarding } from "../log.ts";
import { settleMemory } from "../settle_memory.ts";
import { fromPlainError, toPlainError } from "./plain_error.ts";

/** What a call has besides its input. */
export interface CallContext<News> {
  /** Aborts when the host wants the call to end. */
  readonly signal: AbortSignal;
  /** Tells the host; resolves with its reply once it has acted on it, rejects if it could not. */
  readonly tell: (news: News) => Promise<unknown>;
}

/** What does the calls of a part. */
export type Calls<Part extends PartShape<Part>> = {
  readonly [Name in keyof Part]: (
    input: Part[Name]["input"],
    context: CallContext<Part[Name]["news"]>,
  ) => Promise<Part[Name]["result"]>;
};

/** Ways of a Worker's scope that the library of types for pages does not have. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<HostMessage>) => void) | null;
  postMessage(message: PartMessage): void;
  close(): void;
}

type AnyCall = (
  input: unknown,
  context: CallContext<unknown>,
) => Promise<unknown>;

const scope = globalThis as unknown as WorkerScope;
const running = new Map<number, AbortController>();
const unheard = new Map<number, PromiseWithResolvers<unknown>>();
let told = 0;

/**
 * Serves the host's calls until it ends this Worker. What does them is loaded
 * here, after the environment has been hidden from it.
 */
export function serveCalls<Part extends PartShape<Part>>(
  load: () => Promise<Calls<Part>>,
): void {
  hideEnvironment();
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    endWithBug(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    endWithBug(event.error);
  });
  const calls = load() as Promise<Readonly<Record<string, AnyCall>>>;
  scope.onmessage = ({ data }) => take(data, calls);
  // A failure is not caught: it is a bug, and told as one.
  void calls.then(() => {
    scope.postMessage({ type: "ready" });
    settleMemory();
  });
}

function take(
  message: HostMessage,
  calls: Promise<Readonly<Record<string, AnyCall>>>,
): void {
  switch (message.type) {
    case "start":
      return startForwarding(message.logLevel, sendRecord);
    case "call":
      return void run(message, calls);
    case "abort": {
      const { call, signalName } = message;
      return running.get(call)?.abort(
        signalName === undefined
          ? new Error("The host ended the call")
          : new ShutdownRequested(signalName),
      );
    }
    case "heard": {
      const { news, reply, error } = message;
      const waiting = unheard.get(news);
      unheard.delete(news);
      return error
        ? waiting?.reject(fromPlainError(error))
        : waiting?.resolve(reply);
    }
    case "ping": {
      const { call } = message;
      return scope.postMessage({ type: "result", call, result: undefined });
    }
    case "hard exit":
      runExitHooks();
      Atomics.store(message.done, 0, 1);
      Atomics.notify(message.done, 0);
      scope.close();
  }
}

async function run(
  { call, name, input }: HostMessage & { readonly type: "call" },
  calls: Promise<Readonly<Record<string, AnyCall>>>,
): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  running.set(call, controller);
  try {
    const serve = (await calls)[name];
    if (serve === undefined) throw new Error(`There is no call "${name}"`);
    signal.throwIfAborted();
    const result = await serve(input, {
      signal,
      tell: (news) => tell(call, news),
    });
    scope.postMessage({ type: "result", call, result });
  } catch (thrown) {
    const aborted = signal.aborted && thrown === signal.reason;
    const error = toPlainError(thrown);
    scope.postMessage({ type: "error", call, error, aborted });
  } finally {
    running.delete(call);
  }
}

function tell(call: number, news: unknown): Promise<unknown> {
  const waiting = Promise.withResolvers<unknown>();
  // Most news is told without waiting for what becomes of it.
  waiting.promise.catch(() => {});
  const id = ++told;
  unheard.set(id, waiting);
  scope.postMessage({ type: "news", call, id, news });
  return waiting.promise;
}

function sendRecord(record: (PartMessage & { type: "log" })["record"]): void {
  try {
    scope.postMessage({ type: "log", record });
  } catch {
    // A field that is no plain data.
    const fields = Object.entries(record.properties);
    scope.postMessage({
      type: "log",
      record: {
        ...record,
        message: record.message.map(String),
        properties: Object.fromEntries(
          fields.map(([name, value]) => [name, String(value)]),
        ),
      },
    });
  }
}

/** Nothing that still runs here may undo the last acts, as by starting anew what they ended. */
function endWithBug(error: unknown): void {
  runExitHooks();
  scope.postMessage({ type: "bug", error: toPlainError(error) });
  scope.close();
}
