/**
 * What a part and its host say to each other: plain data, in both directions.
 *
 * @module
 */

import type { LogLevel, LogRecord } from "../log.ts";
import type { PlainError } from "./plain_error.ts";

/** One thing that a part can be asked to do. */
export interface CallShape {
  /** What it is given. */
  readonly input: unknown;
  /** What it tells meanwhile. */
  readonly news: unknown;
  /** What it returns. */
  readonly result: unknown;
}

/** All that a part can be asked to do, by name. */
export type PartShape<Part> = Readonly<Record<keyof Part, CallShape>>;

/** What the host says. */
export type HostMessage =
  | { readonly type: "start"; readonly logLevel: LogLevel }
  | {
    readonly type: "call";
    readonly call: number;
    readonly name: string;
    readonly input: unknown;
  }
  /** With the name of the signal that asks for the end, if one does. */
  | {
    readonly type: "abort";
    readonly call: number;
    readonly signalName: string | undefined;
  }
  | {
    readonly type: "heard";
    readonly news: number;
    readonly reply: unknown;
    readonly error: PlainError | undefined;
  }
  /** Answered at once by a result, whatever the part does besides. */
  | { readonly type: "ping"; readonly call: number }
  /** The part sets the first number to 1 once its last acts are done. */
  | { readonly type: "hard exit"; readonly done: Int32Array };

/** What the part says. */
export type PartMessage =
  | { readonly type: "ready" }
  | { readonly type: "log"; readonly record: LogRecord }
  | {
    readonly type: "news";
    readonly call: number;
    readonly id: number;
    readonly news: unknown;
  }
  | {
    readonly type: "result";
    readonly call: number;
    readonly result: unknown;
  }
  | {
    readonly type: "error";
    readonly call: number;
    readonly error: PlainError;
    /** Whether it ended because it was asked to. */
    readonly aborted: boolean;
  }
  | { readonly type: "bug"; readonly error: PlainError };
