import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { ExitCode, KatError, ShutdownRequested } from "../errors.ts";
import { fromPlainError, toPlainError } from "./error_classes.ts";

class StoreTrouble extends KatError {
  readonly outcome: string = "not-done";
}

class RareTrouble extends StoreTrouble {
  override readonly exitCode = ExitCode.config;
  override readonly outcome = "unknown";
  /** No plain data. */
  readonly retry = () => {};
}

const KNOWN = { StoreTrouble };

/** What arrives of an error: it is cloned on its way, as messages are. */
function sent(error: unknown, { classes = {}, received = classes }: {
  readonly classes?: Parameters<typeof toPlainError>[1];
  readonly received?: Parameters<typeof toPlainError>[1];
} = {}): Error {
  const plain = structuredClone(toPlainError(error, classes));
  return fromPlainError(plain, received);
}

Deno.test("an error arrives with its class, its fields and its stack", () => {
  const error = new StoreTrouble("Cannot read", {
    hint: "Try again",
    details: ["a", "b"],
  });
  const arrived = sent(error, { classes: KNOWN });
  ok(arrived instanceof StoreTrouble && arrived instanceof KatError);
  deepStrictEqual({ ...arrived }, { ...error });
  strictEqual(arrived.message, "Cannot read");
  strictEqual(arrived.stack, error.stack);
});

Deno.test("an error of a class that is not known arrives as the nearest that is, without what is no plain data", () => {
  const arrived = sent(new RareTrouble("Cannot read"), { classes: KNOWN });
  ok(arrived instanceof StoreTrouble && !(arrived instanceof RareTrouble));
  deepStrictEqual(
    [arrived.name, arrived.outcome, arrived.exitCode, "retry" in arrived],
    ["RareTrouble", "unknown", ExitCode.config, false],
  );
});

Deno.test("an error of a class that only the sender knows arrives as a plain one", () => {
  const error = new StoreTrouble("Cannot read");
  const arrived = sent(error, { classes: KNOWN, received: {} });
  strictEqual(arrived instanceof KatError, false);
  deepStrictEqual([arrived.message, arrived.stack], [
    error.message,
    error.stack,
  ]);
});

Deno.test("a bug arrives as an error without fields, and whatever else was thrown as its text", () => {
  const bug = sent(Object.assign(new TypeError("x is undefined"), { x: 1 }));
  deepStrictEqual([bug.name, bug.message, "x" in bug], [
    "TypeError",
    "x is undefined",
    false,
  ]);
  strictEqual(sent(Symbol("odd")).message, "Symbol(odd)");
  strictEqual(sent(undefined).message, "undefined");
});

Deno.test("ShutdownRequested arrives with the signal's name", () => {
  const arrived = sent(new ShutdownRequested("SIGTERM"));
  ok(arrived instanceof ShutdownRequested);
  strictEqual(arrived.signalName, "SIGTERM");
});
