import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { startLogging } from "../../base/logging/start_logging.ts";
import { showProgress } from "./show_progress.ts";

class TestClock {
  #nowMs = 0;
  nowMs = () => this.#nowMs;
  sleep = () => Promise.reject(new Error("nobody sleeps here"));
  advance(ms: number) {
    this.#nowMs += ms;
  }
}

const TOTAL = 24_000_000;

Deno.test("showProgress() draws a bar over itself on a terminal, and takes it away", () => {
  const written: string[] = [];
  const clock = new TestClock();
  {
    using view = showProgress({ write: (text) => written.push(text), clock });
    for (const part of [0.25, 0.5, 1]) {
      view.update({ receivedBytes: TOTAL * part, totalBytes: TOTAL });
      clock.advance(200);
    }
  }

  strictEqual(written.length, 4);
  for (const text of written) ok(text.startsWith("\r\x1b[K"), text);
  match(written[1] ?? "", /\[#{20}-{20}\] {2}50 % {2}12\.0 of 24\.0 MB$/);
  match(written[2] ?? "", /\[#{40}\] 100 %/);
  strictEqual(written[3], "\r\x1b[K");
});

Deno.test("showProgress() draws ten times a second at most, and always the end", () => {
  const written: string[] = [];
  const clock = new TestClock();
  using view = showProgress({ write: (text) => written.push(text), clock });

  for (let receivedBytes = 1; receivedBytes <= 1_000; receivedBytes += 1) {
    view.update({ receivedBytes, totalBytes: 1_000 });
    clock.advance(1);
  }

  strictEqual(written.length, 11);
  match(written.at(-1) ?? "", /100 %/);
});

Deno.test("showProgress() stays within the terminal's width", () => {
  for (const columns of [120, 80, 60, 40, 32]) {
    const written: string[] = [];
    using view = showProgress({
      write: (text) => written.push(text),
      columns,
      clock: new TestClock(),
    });

    view.update({ receivedBytes: 99_900_000, totalBytes: 99_900_000 });

    const length = (written[0] ?? "").length - "\r\x1b[K".length;
    // One column stays free: some terminals wrap when the last one is used.
    ok(length < columns, `${length} of ${columns}`);
  }
});

Deno.test("showProgress() draws no bar where the length is not known", () => {
  const written: string[] = [];
  using view = showProgress({
    write: (text) => written.push(text),
    clock: new TestClock(),
  });

  view.update({ receivedBytes: 1_500_000, totalBytes: undefined });

  deepStrictEqual(written, ["\r\x1b[Ketcd  1.5 MB"]);
});

/** The percentages that the log told, `undefined` where it told none. */
async function percentagesOf(
  work: (view: ReturnType<typeof showProgress>, clock: TestClock) => void,
): Promise<(number | undefined)[]> {
  let log = "";
  {
    await using _logging = await startLogging({
      format: "json",
      level: "info",
      colors: false,
      write: (bytes) => {
        log += new TextDecoder().decode(bytes);
        return Promise.resolve();
      },
    });
    const clock = new TestClock();
    using view = showProgress({ clock });
    work(view, clock);
  }
  return log.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line).percent);
}

Deno.test("showProgress() logs a line for every tenth where there is no terminal", async () => {
  const percentages = await percentagesOf((view) => {
    for (let part = 0; part <= 1_000; part += 7) {
      view.update({ receivedBytes: part, totalBytes: 1_000 });
    }
    view.update({ receivedBytes: 1_000, totalBytes: 1_000 });
  });

  deepStrictEqual(percentages, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
});

Deno.test("showProgress() logs a line every 5 s on a slow line", async () => {
  const percentages = await percentagesOf((view, clock) => {
    for (let second = 1; second <= 12; second += 1) {
      clock.advance(1_000);
      view.update({ receivedBytes: second, totalBytes: undefined });
    }
  });

  deepStrictEqual(percentages, [undefined, undefined]);
});
