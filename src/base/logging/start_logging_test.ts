import { deepStrictEqual, match, ok } from "node:assert/strict";
import { logger } from "../log.ts";
import { startLogging } from "./start_logging.ts";

function collector() {
  const chunks: string[] = [];
  return {
    chunks,
    write: (bytes: Uint8Array) => {
      chunks.push(new TextDecoder().decode(bytes));
      return Promise.resolve();
    },
  };
}

Deno.test("startLogging() writes text with the fields that the sentence does not say", async () => {
  const { chunks, write } = collector();
  {
    await using _log = await startLogging({
      format: "text",
      level: "info",
      colors: false,
      write,
    });
    logger("election").info("Became leader: {leaderId}", {
      leaderId: "n1",
      fence: 7n,
      note: "two words",
      code: null,
      signal: undefined,
    });
    logger("election").debug("not shown");
  }
  const lines = chunks.join("").trimEnd().split("\n");
  deepStrictEqual(lines.length, 1);
  match(
    lines[0] ?? "",
    /^\d{4}-\d\d-\d\dT[\d:.]+Z INFO {4}election Became leader: n1 fence=7 note="two words"$/,
  );
});

Deno.test("startLogging() writes JSON lines with the whole message", async () => {
  const { chunks, write } = collector();
  {
    await using _log = await startLogging({
      format: "json",
      level: "info",
      colors: false,
      write,
    });
    logger("election").info("Became leader: {leaderId}", {
      leaderId: 'n"1',
      fence: 7n,
    });
  }
  const { time: _, ...line } = JSON.parse(chunks.join(""));
  deepStrictEqual(line, {
    level: "info",
    component: "election",
    message: 'Became leader: n"1',
    leaderId: 'n"1',
    fence: "7",
  });
});

Deno.test("startLogging() lets nothing that is quoted move the cursor", async () => {
  const { chunks, write } = collector();
  {
    await using _log = await startLogging({
      format: "text",
      level: "info",
      colors: false,
      write,
    });
    logger("cli").info("Read {name}", {
      name: "\x1b[2Ja\nb",
      field: "\x1b[31m",
    });
  }
  ok(!chunks.join("").includes("\x1b"));
  deepStrictEqual(chunks.join("").split("\n").length, 2);
});

Deno.test("startLogging() never waits for a reader that does not read", async () => {
  const stuck = Promise.withResolvers<void>();
  const written: string[] = [];
  const log = await startLogging({
    format: "text",
    level: "info",
    colors: false,
    write: async (bytes) => {
      await stuck.promise;
      written.push(new TextDecoder().decode(bytes));
    },
  });
  for (let n = 0; n < 25_000; n++) logger("cli").info("Line {n}", { n });
  stuck.resolve();
  await log[Symbol.asyncDispose]();

  const text = written.join("");
  match(text, /\(\d+ log lines dropped: stderr was not read in time\)/);
  ok(text.includes("Line 24999"), "the newest lines are kept");
});
