import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import {
  ECHO_ERRORS,
  type EchoHost,
  type EchoMethods,
  WrongFileError,
} from "../../../tests/programs/echo_worker.ts";
import { eventually } from "../../../tests/machine/eventually.ts";
import * as v from "valibot";
import { SandboxedWorker } from "./sandboxed_worker.ts";
import { aborted } from "../abortable.ts";
import {
  ExitCode,
  KatError,
  ShutdownRequested,
  UsageError,
} from "../errors.ts";
import { runExitHooks } from "../exit_hooks.ts";
import { ThreadError } from "./thread_error.ts";
import type { WorkerSchemas } from "./worker_schemas.ts";
import { startLogging } from "../logging/start_logging.ts";

function start(
  hasExitHooks = false,
  schemas?: WorkerSchemas<EchoMethods, EchoHost>,
): SandboxedWorker<EchoMethods, EchoHost> {
  return SandboxedWorker.start<EchoMethods, EchoHost>({
    module: new URL("../../../tests/programs/echo_worker.ts", import.meta.url),
    permissions: {},
    hasExitHooks,
    errors: ECHO_ERRORS,
    schemas,
  });
}

/** A host that does this when it hears a number, and answers with what it is asked. */
function hostThat(hear: EchoHost["hear"]): EchoHost {
  return { hear, answer: (question) => Promise.resolve(question) };
}

Deno.test("SandboxedWorker.remote returns what the Worker returns, with numbers of any size", async () => {
  using worker = start();
  const input = { text: "ö", fence: 2n ** 60n, bytes: new Uint8Array([1, 2]) };
  deepStrictEqual(await worker.remote.echo(input), input);
});

Deno.test("SandboxedWorker.remote is no promise, and has no method that only objects have", async () => {
  using worker = start();
  const { remote } = worker;
  strictEqual(await remote, remote);
  const wrong = remote as unknown as Record<string, () => Promise<unknown>>;
  await rejects(async () => await wrong["constructor"]?.(), {
    message: 'There is no method "constructor"',
  });
});

Deno.test("a Worker's host does what it is asked in order, and the Worker waits for each", async () => {
  using worker = start();
  const heard: number[] = [];
  const host = {
    ...hostThat(() => {}),
    async hear(n: number) {
      await Promise.resolve();
      heard.push(n);
    },
  };
  const result = await worker.remote.count(3, { host });
  deepStrictEqual([heard, result], [[0, 1, 2], "counted"]);
});

Deno.test("a Worker's host rejects in the Worker with an error of the same class", async () => {
  using worker = start();
  const host = hostThat(() => {
    throw new WrongFileError("Cannot write it", { hint: "Make space" });
  });
  await rejects(worker.remote.count(3, { host }), (error) => {
    ok(error instanceof WrongFileError);
    const { name, message, hint, line } = error;
    deepStrictEqual([name, message, hint, line], [
      "WrongFileError",
      "Cannot write it",
      "Make space",
      7,
    ]);
    return true;
  });
});

Deno.test("a Worker's host answers, and hears when the Worker no longer wants it to", async () => {
  using worker = start();
  const host = hostThat(() => {});
  strictEqual(await worker.remote.ask("Who?", { host }), "Who?");

  const stop = new AbortController();
  const reason = new ShutdownRequested("SIGTERM");
  let ended: unknown;
  const asked = worker.remote.ask("Who?", {
    signal: stop.signal,
    host: {
      ...host,
      async answer(_, { signal }) {
        stop.abort(reason);
        await aborted(signal);
        ended = signal.reason;
        throw signal.reason;
      },
    },
  });

  await rejects(asked, (error) => error === reason);
  ok(ended instanceof ShutdownRequested);
});

Deno.test("a Worker's host does nothing that it does not offer", async () => {
  using worker = start();
  const host = hostThat(() => {});
  for (const method of ["constructor", "toString", "unknown"]) {
    await rejects(worker.remote.askForMore(method, { host }), {
      message: `There is no method "${method}"`,
    });
  }
  await rejects(worker.remote.ask("Who?"), {
    message: 'There is no method "answer"',
  });
});

Deno.test("SandboxedWorker.remote rejects with the signal's reason once the Worker has ended the request", async () => {
  using worker = start();
  const stop = new AbortController();
  const reason = new ShutdownRequested("SIGTERM");
  await rejects(
    worker.remote.wait(undefined, {
      signal: stop.signal,
      host: hostThat(() => stop.abort(reason)),
    }),
    (error) => error === reason,
  );
  strictEqual(await worker.remote.echo(1), 1);
});

Deno.test("SandboxedWorker.remote tells the Worker the reason of the end, with its class", async () => {
  using worker = start();
  const stop = new AbortController();
  const host = hostThat(() => stop.abort(new ShutdownRequested("SIGHUP")));
  const options = { signal: stop.signal, host };
  strictEqual(await worker.remote.reasonOfEnd(undefined, options), "SIGHUP");
});

Deno.test("SandboxedWorker.remote gives a request up that does not end within its grace", async () => {
  using worker = start();
  const stop = new AbortController();
  const reason = new ShutdownRequested("SIGTERM");
  await rejects(
    worker.remote.hang(undefined, {
      signal: stop.signal,
      graceMs: 50,
      host: hostThat(() => stop.abort(reason)),
    }),
    (error) => error === reason,
  );
});

Deno.test("SandboxedWorker.remote rejects with an error of the class that the Worker threw", async () => {
  using worker = start();
  await rejects(worker.remote.refuse(), (error) => {
    ok(error instanceof WrongFileError);
    ok(error instanceof KatError);
    const { name, message, hint, details, exitCode, line } = error;
    deepStrictEqual(
      { name, message, hint, details, exitCode, line },
      {
        name: "WrongFileError",
        message: "Cannot read it",
        hint: "Mend it",
        details: ["line 7"],
        exitCode: ExitCode.config,
        line: 7,
      },
    );
    match(error.stack ?? "", /echo_worker/);
    return true;
  });
  await rejects(worker.remote.misuse(), (error) => {
    ok(error instanceof UsageError);
    deepStrictEqual([error.hint, error.exitCode], ["Read the help", 2]);
    return true;
  });
});

Deno.test("SandboxedWorker.remote rejects with a plain error, and its stack, for a class that is not known", async () => {
  using worker = start();
  await rejects(worker.remote.failInPrivate(), (error) => {
    ok(error instanceof Error && !(error instanceof KatError));
    strictEqual(error.message, "It is private");
    strictEqual("secret" in error, false);
    match(error.stack ?? "", /echo_worker/);
    return true;
  });
});

Deno.test("SandboxedWorker.remote rejects when what the Worker returns cannot be sent", async () => {
  using worker = start();
  await rejects(worker.remote.returnFunction(), { name: "DataCloneError" });
});

Deno.test("SandboxedWorker.remote rejects with a bug, and its stack, when the Worker ends by one", async () => {
  using worker = start();
  await rejects(worker.remote.crash(), (error) => {
    ok(error instanceof Error && !(error instanceof KatError));
    strictEqual(error.message, "Nobody expected this");
    match(error.stack ?? "", /echo_worker/);
    return true;
  });
  await rejects(worker.remote.echo(1), { message: "Nobody expected this" });
});

Deno.test("SandboxedWorker.ready rejects when its module cannot be loaded", async () => {
  using worker = SandboxedWorker.start<EchoMethods>({
    module: new URL(
      "../../../tests/programs/broken_worker.ts",
      import.meta.url,
    ),
    permissions: {},
  });
  await rejects(worker.ready, /It cannot begin/);
  await rejects(worker.remote.echo(1), /It cannot begin/);
});

Deno.test("SandboxedWorker ends the requests that are under way when it is disposed", async () => {
  const worker = start();
  const waiting = worker.remote.wait(undefined, { host: hostThat(() => {}) });
  worker[Symbol.dispose]();
  await rejects(waiting, { message: "The Worker was ended" });
});

Deno.test("SandboxedWorker logs the lines of the Worker, whatever their fields are", async () => {
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
    using worker = start();
    await worker.remote.log();
  }
  ok(
    /INFO +store +Said hello from within act=/.test(lines.join("")),
    lines.join(""),
  );
});

Deno.test("runExitHooks() waits for the exit hooks of a Worker", async () => {
  using worker = start(true);
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  await worker.remote.promise(numbers);
  runExitHooks();
  strictEqual(numbers[0], 7);
});

Deno.test("SandboxedWorker.turns() tells whether the Worker answers in time, and again once it does", async () => {
  using worker = start();
  await worker.ready;
  const { signal } = new AbortController();
  strictEqual(await worker.turns({ signal }), true);
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  const stalled = worker.remote.stall(numbers);
  const late = AbortSignal.timeout(100);
  strictEqual(await worker.turns({ signal: late }), false);
  Atomics.store(numbers, 0, 1);
  Atomics.notify(numbers, 0);
  await stalled;
  strictEqual(await worker.turns({ signal }), true);
});

/** Whether a number that a Worker counts up every millisecond no longer changes. */
function standsStill(numbers: Int32Array): boolean {
  const now = Atomics.load(numbers, 0);
  return Atomics.wait(numbers, 0, now, 250) === "timed-out" &&
    Atomics.load(numbers, 0) === now;
}

Deno.test("SandboxedWorker does nothing more after a bug, though it is not yet disposed of", async () => {
  using worker = start();
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  await worker.remote.tick(numbers);
  await rejects(worker.remote.crash());
  await eventually(() => ok(standsStill(numbers)));
});

Deno.test("runExitHooks() lets a Worker do nothing more", async () => {
  using worker = start(true);
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  await worker.remote.tick(numbers);
  runExitHooks();
  await eventually(() => ok(standsStill(numbers)));
});

Deno.test("SandboxedWorker takes nothing more from a Worker that sent what none sends, and says which one it was", async () => {
  using worker = start();
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  await worker.remote.tick(numbers);
  const waiting = worker.remote.wait(undefined, { host: hostThat(() => {}) });
  void worker.remote.say({ type: "open the door" });
  await rejects(waiting, (error) => {
    ok(error instanceof ThreadError && error.exitCode === ExitCode.failed);
    strictEqual(
      error.message,
      'Cannot go on: the echo thread sent a message that no thread sends ("type")',
    );
    return true;
  });
  await rejects(worker.remote.echo(1), ThreadError);
  await eventually(() => ok(standsStill(numbers)));
});

Deno.test("SandboxedWorker runs the exit hooks of a Worker that sent what none sends, once it is disposed of", async () => {
  const numbers = new Int32Array(new SharedArrayBuffer(4));
  {
    using worker = start(true);
    await worker.remote.promise(numbers);
    await rejects(worker.remote.say(null), ThreadError);
    strictEqual(numbers[0], 0);
  }
  strictEqual(numbers[0], 7);
});

Deno.test("SandboxedWorker ends a Worker that gives a method what its schema refuses, or returns it", async () => {
  const schemas = {
    inputs: { hear: v.number(), answer: v.string() },
    results: { echo: v.number() },
  } as unknown as WorkerSchemas<EchoMethods, EchoHost>;
  const begin = () => start(false, schemas);
  const heard: unknown[] = [];
  const host = hostThat((number) => void heard.push(number));
  {
    using worker = begin();
    strictEqual(await worker.remote.echo(7), 7);
    await rejects(worker.remote.echo("7"), /a result of "echo"/);
  }
  using worker = begin();
  const wrong = { type: "request", id: 99, within: 1, method: "hear" };
  const waiting = worker.remote.wait(undefined, { host });
  void worker.remote.say({ ...wrong, input: "7" });
  await rejects(waiting, /an input of "hear"/);
  deepStrictEqual(heard, [0]);
});

Deno.test("SandboxedWorker ends a Worker when a method of the host notices a lie", async () => {
  using worker = start();
  const host = hostThat(() => {
    throw new ThreadError("lied");
  });
  await rejects(
    worker.remote.wait(undefined, { host }),
    { message: "Cannot go on: the echo thread lied" },
  );
});
