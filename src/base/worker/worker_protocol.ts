/**
 * What a thread and its host send each other: plain data, and the same kinds of
 * requests in both directions.
 *
 * @module
 */

import type { LogLevel, LogRecord } from "../log.ts";
import type { PlainError } from "./error_classes.ts";

/** What either side sends to have something done, and how that ended. */
export type RequestMessage =
  | {
    readonly type: "request";
    /** Counted by the side that asks. */
    readonly id: number;
    /** The request of the other side for which this one is made, if it is. */
    readonly within: number | undefined;
    /** The method that is wanted. */
    readonly method: string;
    readonly input: unknown;
  }
  /** The request is to end. */
  | { readonly type: "abort"; readonly id: number; readonly reason: PlainError }
  | { readonly type: "result"; readonly id: number; readonly result: unknown }
  | {
    readonly type: "error";
    readonly id: number;
    readonly error: PlainError;
    /** Whether it ended because it was asked to. */
    readonly isAborted: boolean;
  }
  /** Answered at once by a result, whatever the other side does besides. */
  | { readonly type: "ping"; readonly id: number };

/** What the host sends. */
export type HostMessage =
  | RequestMessage
  | { readonly type: "start"; readonly logLevel: LogLevel }
  /** The Worker sets the first number to 1 once its exit hooks have run. */
  | { readonly type: "run exit hooks"; readonly done: Int32Array };

/** What the Worker sends. */
export type WorkerMessage =
  | RequestMessage
  | { readonly type: "ready" }
  | { readonly type: "log"; readonly record: LogRecord }
  | { readonly type: "bug"; readonly error: PlainError };
