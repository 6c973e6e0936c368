import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import type { EchoCalls } from "../../../tests/programs/echo_worker.ts";
import { eventually } from "../../../tests/machine/eventually.ts";
import { SandboxedWorker } from "./sandboxed_worker.ts";
import { ExitCode, KatError, ShutdownRequested } from "../errors.ts";
import { runExitHooks } from "../exit_hooks.ts";
import { startLogging } from "../logging/start_logging.ts";

function start(hasExitHooks = false): SandboxedWorker<EchoCalls> {
  return SandboxedWorker.start<EchoCalls>({
    module: new URL("../../../tests/programs/echo_worker.ts", import.meta.url),
    permissions: {},
    hasExitHooks,
  });
}

Deno.test("SandboxedWorker.call() returns what the part returns, with numbers of any size", async () => {
  using part = start();
  const input = { text: "ö", fence: 2n ** 60n, bytes: new Uint8Array([1, 2]) };
  deepStrictEqual(await part.call("echo", input), input);
});

Deno.test("SandboxedWorker.call() hands on news in order, and the part waits until each is heard", async () => {
  using part = start();
  const heard: number[] = [];
  const result = await part.call("count", 3, {
    async onNews(n) {
      await Promise.resolve();
      heard.push(n);
    },
  });
  deepStrictEqual([heard, result], [[0, 1, 2], "counted"]);
});

Deno.test("SandboxedWorker.call() rejects with what happened to its news", async () => {
  using part = start();
  await rejects(
    part.call("count", 3, {
      onNews() {
        throw new KatError("Cannot write it", { hint: "Make space" });
      },
    }),
    { name: "KatError", message: "Cannot write it", hint: "Make space" },
  );
});

Deno.test("SandboxedWorker.call() rejects with the signal's reason once the part has ended the call", async () => {
  using part = start();
  const stop = new AbortController();
  const reason = new ShutdownRequested("SIGTERM");
  await rejects(
    part.call("wait", undefined, {
      signal: stop.signal,
      onNews: () => stop.abort(reason),
    }),
    (error) => error === reason,
  );
  strictEqual(await part.call("echo", 1), 1);
});

Deno.test("SandboxedWorker.call() gives up a part that does not end within its grace", async () => {
  using part = start();
  const stop = new AbortController();
  const reason = new ShutdownRequested("SIGTERM");
  await rejects(
    part.call("hang", undefined, {
      signal: stop.signal,
      graceMs: 50,
      onNews: () => stop.abort(reason),
    }),
    (error) => error === reason,
  );
});

Deno.test("SandboxedWorker.call() rejects with a KatError that says as much as the part's own", async () => {
  using part = start();
  await rejects(part.call("refuse", undefined), (error) => {
    ok(error instanceof KatError);
    const { name, message, hint, details, exitCode } = error;
    deepStrictEqual(
      { name, message, hint, details, exitCode },
      {
        name: "WrongFileError",
        message: "Cannot read it",
        hint: "Mend it",
        details: ["line 7"],
        exitCode: ExitCode.config,
      },
    );
    return true;
  });
});

Deno.test("SandboxedWorker.call() rejects with a bug, and its stack, when the part comes to an end by one", async () => {
  using part = start();
  await rejects(part.call("crash", undefined), (error) => {
    ok(error instanceof Error && !(error instanceof KatError));
    strictEqual(error.message, "Nobody expected this");
    match(error.stack ?? "", /echo_worker/);
    return true;
  });
  await rejects(part.call("echo", 1), { message: "Nobody expected this" });
});

Deno.test("SandboxedWorker.ready rejects when its module cannot be loaded", async () => {
  using part = SandboxedWorker.start<EchoCalls>({
    module: new URL(
      "../../../tests/programs/broken_worker.ts",
      import.meta.url,
    ),
    permissions: {},
  });
  await rejects(part.ready, /It cannot begin/);
  await rejects(part.call("echo", 1), /It cannot begin/);
});

Deno.test("SandboxedWorker ends the calls that are under way when it is disposed", async () => {
  const part = start();
  const call = part.call("wait", undefined);
  part[Symbol.dispose]();
  await rejects(call, { message: "The part was ended" });
});

Deno.test("SandboxedWorker logs the lines of the part, whatever their fields are", async () => {
  const lines: string[] = [];
  {
    await using _log = await startLogging({
      format: "text",
      level: "info",
      colors: false,
      write: (bytes) => {
        lines.push(new TextDecoder().decode(bytes));
        return Promise.resolve();
      },
    });
    using part = start();
    await part.call("log", undefined);
  }
  ok(
    /INFO +store +Said hello from within act=/.test(lines.join("")),
    lines.join(""),
  );
});

Deno.test("runExitHooks() waits for the last acts of a part", async () => {
  using part = start(true);
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  await part.call("promise", numbers);
  runExitHooks();
  strictEqual(numbers[0], 7);
});

Deno.test("SandboxedWorker.turns() tells whether the part answers in time, and again once it does", async () => {
  using part = start();
  await part.ready;
  const { signal } = new AbortController();
  strictEqual(await part.turns({ signal }), true);
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  const stalled = part.call("stall", numbers);
  const late = AbortSignal.timeout(100);
  strictEqual(await part.turns({ signal: late }), false);
  Atomics.store(numbers, 0, 1);
  Atomics.notify(numbers, 0);
  await stalled;
  strictEqual(await part.turns({ signal }), true);
});

/** Whether a number that a part counts up every millisecond no longer changes. */
function standsStill(numbers: Int32Array): boolean {
  const now = Atomics.load(numbers, 0);
  return Atomics.wait(numbers, 0, now, 250) === "timed-out" &&
    Atomics.load(numbers, 0) === now;
}

Deno.test("SandboxedWorker does nothing more after a bug, though it is not yet disposed of", async () => {
  using part = start();
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  await part.call("tick", numbers);
  await rejects(part.call("crash", undefined));
  await eventually(() => ok(standsStill(numbers)));
});

Deno.test("runExitHooks() lets a part do nothing more", async () => {
  using part = start(true);
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  await part.call("tick", numbers);
  runExitHooks();
  await eventually(() => ok(standsStill(numbers)));
});
