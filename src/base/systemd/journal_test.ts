import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { fstatSync } from "node:fs";
import { receiveDatagrams } from "../../../tests/fakes/datagram_receiver.ts";
import { eventually } from "../../../tests/machine/eventually.ts";
import { isStderrJournal, journalEntry } from "./journal.ts";
import { logger } from "../log.ts";
import { startLogging } from "../logging/start_logging.ts";

const decoder = new TextDecoder();

Deno.test("journalEntry() names fields as the journal does and leaves out what is not set", () => {
  const entry = journalEntry({
    level: "warning",
    component: "agent",
    message: "The store cannot be reached",
    fields: {
      waitsFor: "n2",
      fence: 7n,
      "a b": [1n],
      gone: undefined,
      none: null,
    },
  });
  deepStrictEqual(decoder.decode(entry).split("\n"), [
    "MESSAGE=The store cannot be reached",
    "PRIORITY=4",
    "SYSLOG_IDENTIFIER=kat-agent",
    "KAT_COMPONENT=agent",
    "KAT_WAITS_FOR=n2",
    "KAT_FENCE=7",
    'KAT_A_B=["1"]',
    "",
  ]);
});

Deno.test("journalEntry() writes a value with line breaks so that it cannot become a field", () => {
  const entry = journalEntry({
    level: "info",
    component: "etcd",
    message: "x",
    fields: { reason: "a\nPRIORITY=0" },
  });
  const text = decoder.decode(entry);
  const length = "\x0c\0\0\0\0\0\0\0";
  strictEqual(
    text.slice(text.indexOf("KAT_REASON")),
    `KAT_REASON\n${length}a\nPRIORITY=0\n`,
  );
});

Deno.test("isStderrJournal() is told by the device and inode of stderr", () => {
  const { dev, ino } = fstatSync(2);
  strictEqual(isStderrJournal({ JOURNAL_STREAM: `${dev}:${ino}` }), true);
  strictEqual(isStderrJournal({ JOURNAL_STREAM: `${dev}:${ino}0` }), false);
  strictEqual(isStderrJournal({}), false);
});

/** Senders without a path of their own are Linux's. */
const ignore = Deno.build.os !== "linux";

Deno.test(
  "startLogging() sends entries to the journal and falls back to stderr",
  { ignore },
  async () => {
    const socket = `@kat-test-${crypto.randomUUID()}`;
    let written = "";
    const log = () =>
      startLogging({
        format: "text",
        level: "info",
        colors: false,
        write: (bytes) => {
          written += decoder.decode(bytes);
          return Promise.resolve();
        },
        journal: { socket },
      });
    {
      using journal = receiveDatagrams(socket);
      await using _log = await log();
      logger("election").warn("Lost leadership: {reason}", { reason: "a b" });
      deepStrictEqual((await journal.next()).split("\n"), [
        "MESSAGE=Lost leadership: a b",
        "PRIORITY=4",
        "SYSLOG_IDENTIFIER=kat-agent",
        "KAT_COMPONENT=election",
        "KAT_REASON=a b",
        "",
      ]);
    }
    strictEqual(written, "");

    await using _log = await log();
    logger("etcd").error("etcd cannot be started", { pid: 7 });
    await eventually(() =>
      strictEqual(written, "<3>etcd cannot be started pid=7\n")
    );
  },
);
