import { deepStrictEqual, ok, throws } from "node:assert/strict";
import { ExitCode, KatError } from "../errors.ts";
import { boundData } from "./bound_data.ts";
import { fromPlainError, toPlainError } from "./error_classes.ts";
import { ThreadError } from "./thread_error.ts";
import { readWorkerMessage } from "./worker_schemas.ts";

const RECORD = {
  category: ["kat", "store"],
  level: "info",
  message: ["Found it"],
  rawMessage: "Found it",
  timestamp: 1,
  properties: { fence: 7n, name: undefined },
};
const ERROR = {
  className: "KatError",
  message: "Cannot do it",
  stack: undefined,
  fields: { name: "KatError", hint: undefined, details: [], exitCode: 1 },
};

Deno.test("readWorkerMessage() takes what threads send, as it is", () => {
  const messages = [
    { type: "ready" },
    { type: "log", record: RECORD },
    { type: "bug", error: ERROR },
    { type: "request", id: 1, within: undefined, method: "a", input: 7n },
    { type: "abort", id: 1, reason: ERROR },
    { type: "result", id: 1, result: undefined },
    { type: "error", id: 1, error: ERROR, isAborted: false },
    { type: "ping", id: 1 },
  ];
  for (const message of messages) {
    deepStrictEqual(readWorkerMessage(structuredClone(message)), message);
  }
});

Deno.test("readWorkerMessage() refuses what no thread sends", () => {
  const log = (changes: object) => ({
    type: "log",
    record: { ...RECORD, ...changes },
  });
  const bug = (changes: object) => ({
    type: "bug",
    error: { ...ERROR, ...changes },
  });
  const messages: readonly unknown[] = [
    null,
    undefined,
    7,
    {},
    { type: "open the door" },
    { type: "log", record: null },
    log({ level: "shout" }),
    log({ level: undefined }),
    log({ category: ["logtape", "meta"] }),
    log({ category: "kat" }),
    log({ timestamp: 9e99 }),
    log({ timestamp: NaN }),
    log({ message: "x" }),
    log({ rawMessage: {} }),
    log({ properties: null }),
    bug({ message: {} }),
    bug({ className: 7 }),
    bug({ fields: { exitCode: 0 } }),
    bug({ fields: { exitCode: "1" } }),
    bug({ fields: { hint: {} } }),
    bug({ fields: { details: "x" } }),
    bug({ fields: { toString: 7 } }),
    bug({ fields: { message: 7 } }),
    { type: "request" },
    { type: "request", id: 0, method: "a", input: 1 },
    { type: "request", id: 1.5, method: "a", input: 1 },
    { type: "request", id: 1, method: {}, input: 1 },
    { type: "request", id: 1, method: "a".repeat(1_000), input: 1 },
    { type: "result", id: {} },
    { type: "error", id: 1, error: ERROR },
    { type: "ping", id: "1" },
  ];
  for (const message of messages) {
    throws(
      () => readWorkerMessage(structuredClone(message)),
      ThreadError,
      Deno.inspect(message),
    );
  }
});

Deno.test("an error of a thread arrives as it was, within its bounds", () => {
  const error = new KatError("x".repeat(100_000), {
    hint: "Try again",
    details: ["a"],
  });

  const message = readWorkerMessage({
    type: "bug",
    error: toPlainError(error),
  });

  ok(message.type === "bug");
  const arrived = fromPlainError(message.error);
  ok(arrived instanceof KatError);
  deepStrictEqual(
    [arrived.hint, arrived.details, arrived.exitCode],
    ["Try again", ["a"], ExitCode.failed],
  );
  ok(arrived.message.length < 10_000);
});

Deno.test("boundData() leaves small data as it is, and shortens what is long, deep or cyclic", () => {
  const small = { a: [1, 2n, null, true], b: { c: "d" }, e: undefined };
  deepStrictEqual(boundData(small), small);

  const loop: Record<string, unknown> = {};
  loop.loop = loop;
  const large = [
    "x".repeat(1e6),
    Array.from({ length: 1e5 }, () => "y".repeat(100)),
    loop,
    2n ** 100_000n,
    new Map([[1, "z".repeat(1e6)]]),
    { ["k".repeat(1e6)]: 1 },
  ];
  const text = JSON.stringify(
    boundData(large),
    (_, value) => typeof value === "bigint" ? `${value}` : value,
  );
  ok(text.length < 200_000, `${text.length}`);
});
