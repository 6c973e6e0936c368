import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type DuplexCall, MessageStream } from "./message_stream.ts";

/** A stream of numbers, and what it does to the transport. */
function open() {
  const done: string[] = [];
  let onData: (message: never) => void = () => {};
  const call: DuplexCall = {
    write: () => true,
    cancel: () => void done.push("cancel"),
    pause: () => void done.push("pause"),
    resume: () => void done.push("resume"),
    on: (event, handler) => void (event === "data" && (onData = handler)),
  };
  const stream = new MessageStream<unknown, number>(call, {
    toError: (error) => {
      throw error;
    },
  });
  return { stream, done, come: (n: number) => onData(n as never) };
}

Deno.test("MessageStream pauses the connection when many messages wait, and resumes once all are taken, in either way", async () => {
  for (const way of ["take", "next"] as const) {
    const { stream, done, come } = open();
    for (let n = 1; n <= 20; n++) come(n);
    deepStrictEqual(done, ["pause"]);
    for (let n = 1; n < 20; n++) strictEqual(await stream[way](), n);
    deepStrictEqual(done, ["pause"]);
    strictEqual(await stream[way](), 20);
    deepStrictEqual(done, ["pause", "resume"]);
    stream[Symbol.dispose]();
  }
});

Deno.test("MessageStream.take() returns nothing where nothing waits, and next() waits for what comes", async () => {
  const { stream, come, done } = open();
  strictEqual(stream.take(), undefined);
  strictEqual(stream.isAwaited, false);
  const next = stream.next();
  strictEqual(stream.isAwaited, true);
  come(1);
  strictEqual(stream.isAwaited, false);
  strictEqual(await next, 1);
  const last = stream.next();
  stream[Symbol.dispose]();
  strictEqual(await last, undefined);
  deepStrictEqual(done, ["cancel"]);
});
