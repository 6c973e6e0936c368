/**
 * What a thread may send, checked by its host before anything is done with it:
 * packages run in threads, and one of them may have been taken over.
 *
 * @module
 */

import * as v from "valibot";
import { ExitCode } from "../errors.ts";
import type { LogRecord } from "../log.ts";
import { boundData, boundText } from "./bound_data.ts";
import type { PlainError } from "./error_classes.ts";
import type { InputOf, ResultOf } from "./methods.ts";
import { ThreadError } from "./thread_error.ts";
import type { WorkerMessage } from "./worker_protocol.ts";

/** Reads a `T` out of anything. */
export type SchemaOf<T> = v.GenericSchema<unknown, T>;

/** What a thread sends besides the messages themselves: one schema for each value. */
export interface WorkerSchemas<Offered, Host> {
  /** What it gives to each method of its host. */
  readonly inputs: {
    readonly [Name in keyof Host]: SchemaOf<InputOf<Host[Name]>>;
  };
  /** What each of its own methods returns. */
  readonly results: {
    readonly [Name in keyof Offered]: SchemaOf<ResultOf<Offered[Name]>>;
  };
}

/** For a value that means nothing. */
export const NothingSchema: SchemaOf<void> = v.pipe(
  v.unknown(),
  v.transform(() => undefined),
);

/** For a text that is shown: a long one is shortened. */
export const TextSchema: SchemaOf<string> = v.pipe(
  v.string(),
  v.transform(boundText),
);

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

/** An error's fields: the command line prints some, and exits with one. */
const FieldsSchema = v.pipe(
  v.record(v.string(), v.unknown()),
  v.check((fields) => Object.keys(fields).every((name) => !isBuiltIn(name))),
  v.transform((fields) => boundData(fields) as Record<string, unknown>),
  v.looseObject({
    name: v.optional(v.string()),
    hint: v.optional(v.string()),
    details: v.optional(v.array(v.string())),
    exitCode: v.optional(
      v.picklist([
        ExitCode.failed,
        ExitCode.usage,
        ExitCode.bug,
        ExitCode.config,
      ]),
    ),
  }),
);

const ErrorSchema: SchemaOf<PlainError> = v.object({
  className: v.optional(v.string()),
  message: TextSchema,
  stack: v.optional(TextSchema),
  fields: FieldsSchema,
}) as unknown as SchemaOf<PlainError>;

/** The furthest time from 1970 that a Date can have. */
const MAX_TIME_MS = 8.64e15;

const RecordSchema = v.object({
  category: v.tuple([
    v.literal("kat"),
    v.picklist(["agent", "cli", "cluster", "election", "etcd", "store"]),
  ]),
  level: v.picklist(["trace", "debug", "info", "warning", "error", "fatal"]),
  message: v.pipe(
    v.array(v.unknown()),
    v.transform((value) => boundData(value)),
  ),
  rawMessage: TextSchema,
  timestamp: v.pipe(
    v.number(),
    v.minValue(-MAX_TIME_MS),
    v.maxValue(MAX_TIME_MS),
  ),
  properties: v.pipe(
    v.record(v.string(), v.unknown()),
    v.transform((value) => boundData(value)),
  ),
}) as unknown as SchemaOf<LogRecord>;

// The casts here and above: a field that is absent and one that is undefined
// are the same to what reads them.
const MessageSchema = v.variant("type", [
  v.object({ type: v.literal("ready") }),
  v.object({ type: v.literal("log"), record: RecordSchema }),
  v.object({ type: v.literal("bug"), error: ErrorSchema }),
  v.object({
    type: v.literal("request"),
    id,
    within: v.optional(id),
    method: v.pipe(v.string(), v.maxLength(100)),
    input: v.optional(v.unknown()),
  }),
  v.object({ type: v.literal("abort"), id, reason: ErrorSchema }),
  v.object({
    type: v.literal("result"),
    id,
    result: v.optional(v.unknown()),
  }),
  v.object({
    type: v.literal("error"),
    id,
    error: ErrorSchema,
    isAborted: v.boolean(),
  }),
  v.object({ type: v.literal("ping"), id }),
]) as unknown as SchemaOf<WorkerMessage>;

/**
 * Reads a message of a thread.
 *
 * @throws {ThreadError} if it is none.
 */
export function readWorkerMessage(data: unknown): WorkerMessage {
  return readSent(MessageSchema, data, "a message");
}

/**
 * Reads a value that a thread has sent; `what` it is, for the message.
 *
 * @throws {ThreadError} if it is not what it should be.
 */
export function readSent<T>(
  schema: SchemaOf<T>,
  data: unknown,
  what: string,
): T {
  const parsed = v.safeParse(schema, data, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const where = v.getDotPath(parsed.issues[0]);
  throw new ThreadError(
    `sent ${what} that no thread sends${where === null ? "" : ` ("${where}")`}`,
  );
}

/** An error that had one of these as a field of its own could not be printed. */
function isBuiltIn(name: string): boolean {
  return name in Object.prototype || name === "stack" || name === "message";
}
