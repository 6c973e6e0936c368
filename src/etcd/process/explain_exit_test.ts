import { match, strictEqual } from "node:assert/strict";
import { explainLastEnd } from "./diagnose_log.ts";
import { explainExit, explainSilence } from "./explain_exit.ts";
import type { EtcdFailure } from "./etcd_process_error.ts";

function log(...lines: string[]) {
  return { path: "/var/lib/kat/etcd.log", lines: () => Promise.resolve(lines) };
}

function zap(level: string, msg: string, error?: string): string {
  return JSON.stringify({ level, ts: "2026-01-01T00:00:00Z", msg, error });
}

const CASES: readonly [EtcdFailure, ...string[]][] = [
  [
    "port-taken",
    zap(
      "fatal",
      "discovery failed",
      "listen tcp 127.0.0.1:2379: bind: address already in use",
    ),
  ],
  [
    "address-missing",
    zap(
      "fatal",
      "discovery failed",
      "listen tcp 10.9.9.9:2379: bind: cannot assign requested address",
    ),
  ],
  [
    "no-space",
    zap("panic", "failed to create WAL", "no space left on device"),
    "panic: failed to create WAL",
    "goroutine 1 [running]:",
  ],
  [
    "no-space",
    zap(
      "fatal",
      "failed to commit tx",
      "write /d/member/snap/db: no space left on device",
    ),
  ],
  [
    "read-only",
    zap(
      "fatal",
      "discovery failed",
      "cannot access data directory: open /d/.touch: read-only file system",
    ),
  ],
  [
    "no-permission",
    zap(
      "fatal",
      "discovery failed",
      "cannot access data directory: open /d/.touch: permission denied",
    ),
  ],
  ["damaged", zap("fatal", "discovery failed", "walpb: crc mismatch")],
  ["damaged", zap("panic", "failed to open database", "invalid database")],
  ["damaged", "panic: cannot use none as id"],
  [
    "damaged",
    zap("fatal", "discovery failed", "proto: Record: wiretype end group"),
  ],
  [
    "damaged",
    zap(
      "panic",
      "tocommit(107) is out of range [lastIndex(1)]. Was the raft log corrupted, truncated, or lost?",
    ),
  ],
  ["wrong-flag", "flag provided but not defined: -no-such", "Usage:"],
  [
    "wrong-flag",
    'invalid value "X=true" for flag -feature-gates: unrecognized feature gate: X',
  ],
  [
    "data-lost",
    zap(
      "fatal",
      "discovery failed",
      "member 628170c800dbcee has already been bootstrapped",
    ),
  ],
  [
    "wrong-cluster",
    zap("fatal", "discovery failed", "member count is unequal"),
  ],
  [
    "removed",
    zap("warn", "data-dir used by this member must be removed"),
    zap("fatal", "listener failed", "server is stopping"),
  ],
  [
    "newer-data",
    zap(
      "fatal",
      "invalid downgrade; server version is lower than determined cluster version",
    ),
  ],
  ["unknown", zap("fatal", "something new", "never seen")],
];

for (const [failure, ...lines] of CASES) {
  Deno.test(`explainExit() finds "${failure}" in ${lines[0]?.slice(0, 60)}…`, async () => {
    const before = zap(
      "info",
      "a walpb: crc mismatch that was only talked about",
    );
    const exit = { code: 1, signal: null };

    const error = await explainExit(exit, log(before, ...lines));

    strictEqual(error.failure, failure);
    strictEqual(error.lastLines.at(-1), lines.at(-1));
    strictEqual(error.etcdExit, exit);
    match(error.message, /^Cannot run etcd: .*[^.]$/);
  });
}

Deno.test("explainExit() keeps to the exit code when nothing was said", async () => {
  const error = await explainExit({ code: 7, signal: null }, log());

  strictEqual(error.message, "Cannot run etcd: it ended with exit code 7");
  strictEqual(error.hint, "Read its log: /var/lib/kat/etcd.log");
});

Deno.test("explainExit() keeps to the full disk of the end before while etcd has no room for its next log", async () => {
  const explain = (before: EtcdFailure, freeBytes: number) =>
    explainExit({ code: 1, signal: null }, log(zap("info", "starting")), {
      before,
      spaceOf: () => Promise.resolve({ freeBytes, totalBytes: 10 ** 9 }),
    });

  const again = await explain("no-space", 5_000_000);
  strictEqual(again.why, "the disk is full");
  strictEqual(again.failure, "no-space");
  strictEqual((await explain("no-space", 10 ** 8)).failure, "unknown");
  strictEqual((await explain("unknown", 5_000_000)).failure, "unknown");
});

Deno.test("explainExit() finds a full disk when etcd could not write the reason to its log", async () => {
  const started = zap("info", "opening backend db");
  const explain = (freeBytes: number, ...lines: string[]) =>
    explainExit({ code: 1, signal: null }, log(...lines), {
      spaceOf: (path) => {
        strictEqual(path, "/var/lib/kat");
        return Promise.resolve({ freeBytes, totalBytes: 10 ** 9 });
      },
    });

  for (const lines of [[], [started]]) {
    const error = await explain(4_096, ...lines);
    strictEqual(error.message, "Cannot run etcd: the disk is full");
    strictEqual(error.failure, "no-space");
    match(error.hint ?? "", /^Free space/);
  }
  strictEqual((await explain(10 ** 8, started)).failure, "unknown");
  const files = zap("fatal", "listen", "accept: too many open files");
  match((await explain(4_096, files)).message, /limit of open files/);
  const damaged = zap("fatal", "discovery failed", "walpb: crc mismatch");
  strictEqual((await explain(4_096, damaged)).failure, "damaged");
});

Deno.test("explainExit() does not blame old lines for a kill", async () => {
  const error = await explainExit(
    { code: null, signal: "SIGKILL" },
    log(zap("fatal", "x", "walpb: crc mismatch")),
  );

  strictEqual(error.message, "Cannot run etcd: it was ended by SIGKILL");
  strictEqual(error.failure, "unknown");
  match(error.hint ?? "", /memory/);
});

Deno.test("explainExit() shows ten lines, none longer than a screen", async () => {
  const lines = Array.from(
    { length: 30 },
    (_, at) => `${at} ${"x".repeat(9_999)}`,
  );

  const error = await explainExit({ code: 1, signal: null }, log(...lines));

  strictEqual(error.lastLines.length, 10);
  strictEqual(error.lastLines.every((line) => line.length <= 501), true);
  match(error.lastLines.at(-1) ?? "", /^29 x/);
  strictEqual(error.message.length < 600, true);
});

Deno.test("explainSilence() tells members of different clusters from members that are missing", async () => {
  const member = {
    name: "n1",
    dataDir: "/no/such/directory",
    clientUrls: ["http://127.0.0.1:2379"] as [string],
    peerUrl: "http://127.0.0.1:2380",
    initialCluster: [
      { name: "n1", peerUrl: "http://127.0.0.1:2380" },
      { name: "n2", peerUrl: "http://127.0.0.2:2380" },
    ],
    initialClusterToken: "lab",
    heartbeatIntervalMs: 100,
    electionTimeoutMs: 1_000,
  };
  const options = { pid: 1, member, timeoutMs: 1_500 };

  const missing = await explainSilence(log(), options);
  const different = await explainSilence(
    log(zap("error", "request cluster ID mismatch")),
    options,
  );
  const alone = await explainSilence(log(), {
    ...options,
    member: { ...member, initialCluster: [] },
  });

  strictEqual(missing.failure, "deadline");
  match(missing.message, /after 1\.5 s: .*n2 \(http:\/\/127\.0\.0\.2:2380\)$/);
  strictEqual(different.failure, "wrong-cluster");
  strictEqual(
    alone.message,
    "Cannot run etcd: it does not serve after 1.5 s",
  );
});

Deno.test("explainExit() claims nothing of an etcd whose exit code is unknown", async () => {
  const lines = log(zap("info", "saved snapshot"));
  const error = await explainExit({ code: null, signal: null }, lines);

  strictEqual(
    error.message,
    "Cannot run etcd: it ended; its exit code is unknown, because an earlier agent started it",
  );
});

Deno.test("explainLastEnd() tells of the last start, and only if it failed", () => {
  const start = zap("info", "configuring peer listeners");
  const full = zap("fatal", "failed to save", "no space left on device");

  strictEqual(explainLastEnd([]), undefined);
  strictEqual(explainLastEnd([start, zap("info", "ready")]), undefined);
  strictEqual(explainLastEnd([start, full, start]), undefined);
  match(explainLastEnd([full])?.why ?? "", /^the disk is full/);
  match(explainLastEnd([start, full])?.why ?? "", /^the disk is full/);
  // Refused before it said that it starts.
  match(
    explainLastEnd([start, "flag provided but not defined: -x"])?.why ?? "",
    /^this version of etcd does not know an option/,
  );
});
