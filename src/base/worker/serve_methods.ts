/**
 * The inner side of a {@linkcode SandboxedWorker}: what its module runs.
 *
 * @module
 */

// First, before any package.
import "../close_storage.ts";
import process from "node:process";
import { KatError } from "../errors.ts";
import { runExitHooks } from "../exit_hooks.ts";
import { hideEnvironment } from "../hide_environment.ts";
import { type LogRecord, startForwarding } from "../log.ts";
import { settleMemory } from "../settle_memory.ts";
import { type ErrorClasses, toPlainError } from "./error_classes.ts";
import type { Remote, Served, ServedContext } from "./methods.ts";
import { RequestPort } from "./request_port.ts";
import type { HostMessage, WorkerMessage } from "./worker_protocol.ts";

/** What a method of a Worker has besides its input. */
export interface WorkerContext<Host> extends ServedContext {
  /** What the host does for it, as long as the request lasts. */
  readonly host: Remote<Host>;
}

/** The methods of a Worker, as it has them. */
export type WorkerMethods<Offered, Host> = Served<Offered, WorkerContext<Host>>;

/** What a Worker's module loads. */
export interface LoadedMethods<Offered, Host> {
  /** Does what is asked; lives as long as the Worker. */
  readonly methods: WorkerMethods<Offered, Host>;
  /** The classes of errors that the host knows as well. */
  readonly errors?: ErrorClasses | undefined;
}

/** Ways of a Worker's scope that the library of types for pages does not have. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<HostMessage>) => void) | null;
  postMessage(message: WorkerMessage): void;
  close(): void;
}

const scope = globalThis as unknown as WorkerScope;
const close = scope.close.bind(scope);

/**
 * Serves the host's requests until it ends this Worker. What does them is
 * loaded here, after the environment has been hidden from it.
 */
export function serveMethods<Offered, Host>(
  load: () => Promise<LoadedMethods<Offered, Host>>,
): void {
  hideEnvironment();
  tellEnds();
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    endWithBug(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    endWithBug(event.error);
  });
  let errors: ErrorClasses | undefined;
  const methods = load().then((loaded) => {
    errors = loaded.errors;
    return loaded.methods;
  });
  const port = new RequestPort({
    post: (message) => scope.postMessage(message),
    methods: () => methods,
    contextOf: (id, signal): WorkerContext<Host> => ({
      signal,
      host: port.remote(id),
    }),
    errors: () => errors,
  });
  scope.onmessage = ({ data }) => {
    switch (data.type) {
      case "start":
        return startForwarding(data.logLevel, sendRecord);
      case "run exit hooks":
        return endAtOnce(data.done);
      default:
        return port.take(data);
    }
  };
  // A failure is not caught: it is a bug, and told as one.
  void methods.then(() => {
    scope.postMessage({ type: "ready" });
    settleMemory();
  });
}

function sendRecord(record: LogRecord): void {
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

/** The host's thread waits for the number, for the process ends right after. */
function endAtOnce(done: Int32Array): void {
  runExitHooks();
  Atomics.store(done, 0, 1);
  Atomics.notify(done, 0);
  close();
}

/** What still runs here could undo the exit hooks, as by starting anew what they ended: so it ends. */
function endWithBug(error: unknown): void {
  runExitHooks();
  scope.postMessage({ type: "bug", error: toPlainError(error) });
  close();
}

/**
 * Lets the usual ways of ending a thread or the process tell the host, which
 * would otherwise learn of it late, and end what the thread has started. Code
 * that means harm finds others: this is for what a package does by mistake.
 */
function tellEnds(): void {
  const ways = [
    [Deno, "exit"],
    [scope, "close"],
    [process, "exit"],
    [process, "reallyExit"],
    [process, "abort"],
    [process, "kill"],
  ] as const;
  for (const [object, name] of ways) {
    const value = () =>
      endWithBug(
        new KatError(`Cannot go on: a thread of the agent called ${name}()`, {
          hint:
            "Start the agent again; if it happens again, compare the agent's file with the released one, and report it",
        }),
      );
    Object.defineProperty(object, name, { value, configurable: true });
  }
}
