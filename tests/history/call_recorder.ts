/**
 * Writes down the calls of a process with their outcomes.
 *
 * @module
 */

import { messageOf } from "../../src/base/errors.ts";
import type { Operation } from "./history.ts";
import { monotonicNs } from "./monotonic_clock.ts";

/** Options of {@linkcode CallRecorder}. */
export interface CallRecorderOptions {
  /** The name under which calls are written down, one at a time. */
  readonly process: string;
  /** Told of each call. */
  readonly append: (operation: Operation) => void;
  /** Also told before a call leaves, with an unknown outcome: for a caller that may be killed. */
  readonly announce?: boolean;
}

/** What was asked, without its outcome. */
export type CallRequest = Operation extends infer Any
  ? Any extends Operation ? Omit<
      Any,
      "type" | "process" | "id" | "call_ns" | "return_ns" | "outcome" | "error"
    >
  : never
  : never;

/** Records calls one after the other. */
export class CallRecorder {
  readonly #options: CallRecorderOptions;
  #count = 0;
  /** Raised when an outcome stayed open: later calls count as another process's. */
  #life = 0;

  /** A recorder of no calls yet. */
  constructor(options: CallRecorderOptions) {
    this.#options = options;
  }

  /**
   * Does a call and writes it down, with what `describe` says of the answer.
   *
   * @throws whatever the call does.
   */
  async record<T>(
    request: CallRequest,
    call: () => Promise<T>,
    { describe, process = this.#options.process }: {
      readonly describe: (answer: T) => object | Promise<object>;
      readonly process?: string;
    },
  ): Promise<T> {
    const { append, announce } = this.#options;
    const base = {
      type: "op",
      process: this.#life === 0 ? process : `${process}.${this.#life}`,
      id: `${this.#options.process}:${this.#count++}`,
      call_ns: monotonicNs(),
    } as const;
    const write = (rest: object) =>
      append({ ...base, ...request, ...rest } as Operation);
    if (announce) write({ return_ns: null, outcome: "unknown" });
    try {
      const answer = await call();
      const return_ns = monotonicNs();
      write({ return_ns, outcome: "ok", ...await describe(answer) });
      return answer;
    } catch (error) {
      const outcome = outcomeOf(request, error);
      if (outcome === "unknown") this.#life++;
      write({ return_ns: monotonicNs(), outcome, error: messageOf(error) });
      throw error;
    }
  }
}

/** By names: the error's class may be that of a copy of the source. */
function outcomeOf({ f }: CallRequest, error: unknown): "fail" | "unknown" {
  const { outcome, constructor: { name } } = error as {
    readonly outcome?: string;
    readonly constructor: { readonly name: string };
  };
  const isRead = f === "get" || f === "list" || f === "getLeader";
  const isOver = f === "txn" &&
    (name === "LeadershipLostError" || name === "ResignedError");
  return isRead || isOver || outcome === "not-done" ? "fail" : "unknown";
}
