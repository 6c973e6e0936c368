/**
 * A Worker for the tests of {@linkcode SandboxedWorker}.
 *
 * @module
 */

import {
  ExitCode,
  KatError,
  ShutdownRequested,
  UsageError,
} from "../../src/base/errors.ts";
import { addExitHook } from "../../src/base/exit_hooks.ts";
import { logger } from "../../src/base/log.ts";
import {
  serveMethods,
  type WorkerMethods,
} from "../../src/base/worker/serve_methods.ts";
import { aborted } from "../../src/base/abortable.ts";

/** A file is wrong. */
export class WrongFileError extends KatError {
  /** 78. */
  override readonly exitCode = ExitCode.config;
  /** Where it is wrong. */
  readonly line: number = 7;
}

/** One of a class that only this program knows. */
class PrivateError extends Error {
  readonly secret = 7;
}

/** What it does when asked. */
export interface EchoMethods {
  /** Returns what it is given. */
  echo(input: unknown): Promise<unknown>;
  /** Says the numbers below to its host, each once the one before was heard. */
  count(upTo: number): Promise<string>;
  /** Has its host answer, until asked to end. */
  ask(question: string): Promise<string>;
  /** Asks its host for nothing that it offers. */
  askForMore(method: string): Promise<string>;
  /** Ends only when asked to, with the reason. */
  wait(): Promise<never>;
  /** Ends only when asked to; returns the name of the reason's class. */
  reasonOfEnd(): Promise<string>;
  /** Never ends, also when aborted. */
  hang(): Promise<never>;
  /** Fails as a command does. */
  refuse(): Promise<never>;
  /** Fails with a mistake on the command line. */
  misuse(): Promise<never>;
  /** Fails with an error of a class that its host does not know. */
  failInPrivate(): Promise<never>;
  /** Returns what cannot be sent. */
  returnFunction(): Promise<unknown>;
  /** Logs a line with a field that is no plain data. */
  log(): Promise<void>;
  /** Rejects a promise that is not handled. */
  crash(): Promise<void>;
  /** Keeps its event loop from turning until the first number is no longer 0. */
  stall(numbers: Int32Array): Promise<void>;
  /** Sends its host this in place of a message. */
  say(message: unknown): Promise<void>;
  /** Counts up the first number from now on, whatever happens. */
  tick(numbers: Int32Array): Promise<void>;
  /** Registers an exit hook that sets the first number to 7. */
  promise(numbers: Int32Array): Promise<void>;
}

/** What it has its host do. */
export interface EchoHost {
  /** Hears a number. */
  hear(number: number): void;
  /** Answers. */
  answer(question: string): Promise<string>;
}

/** The classes of errors that it and its host know. */
export const ECHO_ERRORS = { WrongFileError };

if ("DedicatedWorkerGlobalScope" in globalThis) {
  const methods: WorkerMethods<EchoMethods, EchoHost> = {
    echo: (input) => Promise.resolve(input),
    async count(upTo, { host }) {
      for (let n = 0; n < upTo; n++) await host.hear(n);
      return "counted";
    },
    ask: (question, { host, signal }) => host.answer(question, { signal }),
    async askForMore(method, { host }) {
      const more = host as unknown as Record<string, () => Promise<string>>;
      return await more[method]?.() ?? "";
    },
    async wait(_, { signal, host }) {
      void host.hear(0);
      await aborted(signal);
      throw signal.reason;
    },
    async reasonOfEnd(_, { signal, host }) {
      void host.hear(0);
      await aborted(signal);
      const { reason } = signal;
      return reason instanceof ShutdownRequested ? reason.signalName : "";
    },
    async hang(_, { host }) {
      void host.hear(0);
      return await new Promise<never>(() => {});
    },
    refuse() {
      const hint = "Mend it";
      const details = ["line 7"];
      throw new WrongFileError("Cannot read it", { hint, details });
    },
    misuse() {
      throw new UsageError("Cannot use it", { hint: "Read the help" });
    },
    failInPrivate() {
      throw new PrivateError("It is private");
    },
    returnFunction: () => Promise.resolve(() => {}),
    log() {
      logger("store").info("Said {word} from within", {
        word: "hello",
        act: () => {},
      });
    },
    async crash() {
      void Promise.reject(new Error("Nobody expected this"));
      await new Promise(() => {});
    },
    stall(numbers) {
      Atomics.wait(numbers, 0, 0);
    },
    say(message) {
      const scope = globalThis as unknown as {
        postMessage(message: unknown): void;
      };
      scope.postMessage(message);
    },
    tick(numbers) {
      setInterval(() => Atomics.add(numbers, 0, 1), 1);
    },
    promise(numbers) {
      addExitHook(() => Atomics.store(numbers, 0, 7));
    },
  };
  serveMethods(() => Promise.resolve({ methods, errors: ECHO_ERRORS }));
}
