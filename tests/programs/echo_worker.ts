/**
 * A Worker for the tests of {@linkcode SandboxedWorker}.
 *
 * @module
 */

import { ExitCode, KatError } from "../../src/base/errors.ts";
import { addExitHook } from "../../src/base/exit_hooks.ts";
import { logger } from "../../src/base/log.ts";
import { serveCalls } from "../../src/base/worker/serve_calls.ts";
import { aborted } from "../../src/base/abortable.ts";

/** A file is wrong. */
class WrongFileError extends KatError {
  override readonly exitCode = ExitCode.config;
}

interface Shape<Input, Result, News = never> {
  readonly input: Input;
  readonly result: Result;
  readonly news: News;
}

/** What it can be asked. */
export interface EchoCalls {
  /** Returns what it is given. */
  readonly echo: Shape<unknown, unknown>;
  /** Tells the numbers below, each once the one before has been heard. */
  readonly count: Shape<number, string, number>;
  /** Ends only when aborted; fails with the reason. */
  readonly wait: Shape<void, never, "waiting">;
  /** Never ends, also when aborted. */
  readonly hang: Shape<void, never, "hanging">;
  /** Fails as a command does. */
  readonly refuse: Shape<void, never>;
  /** Logs a line with a field that is no plain data. */
  readonly log: Shape<void, void>;
  /** Rejects a promise that is not handled. */
  readonly crash: Shape<void, void>;
  /** Keeps its event loop from turning until the first number is no longer 0. */
  readonly stall: Shape<Int32Array, void>;
  /** Counts up the first number from now on, whatever happens. */
  readonly tick: Shape<Int32Array, void>;
  /** Registers an exit hook that sets the first number to 7. */
  readonly promise: Shape<Int32Array, void>;
}

serveCalls<EchoCalls>(() =>
  Promise.resolve({
    echo: (input) => Promise.resolve(input),
    async count(upTo, { tell }) {
      for (let n = 0; n < upTo; n++) await tell(n);
      return "counted";
    },
    async wait(_, { signal, tell }) {
      void tell("waiting");
      await aborted(signal);
      throw signal.reason;
    },
    async hang(_, { tell }) {
      void tell("hanging");
      return await new Promise<never>(() => {});
    },
    refuse() {
      const hint = "Mend it";
      const details = ["line 7"];
      throw new WrongFileError("Cannot read it", { hint, details });
    },
    log() {
      logger("store").info("Said {word} from within", {
        word: "hello",
        act: () => {},
      });
      return Promise.resolve();
    },
    async crash() {
      void Promise.reject(new Error("Nobody expected this"));
      await new Promise(() => {});
    },
    stall(numbers) {
      Atomics.wait(numbers, 0, 0);
      return Promise.resolve();
    },
    tick(numbers) {
      setInterval(() => Atomics.add(numbers, 0, 1), 1);
      return Promise.resolve();
    },
    promise(numbers) {
      addExitHook(() => Atomics.store(numbers, 0, 7));
      return Promise.resolve();
    },
  })
);
