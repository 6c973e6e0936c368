/**
 * Nothing that comes from a server, a store or a thread reaches a
 * terminal or a log but as text, and one line stays one line.
 *
 * @module
 */

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { logger } from "../../src/base/log.ts";
import { startLogging } from "../../src/base/logging/start_logging.ts";
import { receiveDatagrams } from "../fakes/datagram_receiver.ts";
import {
  agentCommand,
  runAgent,
  startAgent,
} from "../machine/agent_process.ts";
import { makeCluster } from "../machine/cluster_on_etcd.ts";
import { eventually } from "../machine/eventually.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import type { Message } from "./fakes/etcd_messages.ts";
import { startHostileEtcd } from "./fakes/hostile_etcd.ts";
import { runMeasured } from "./fakes/measured_run.ts";

/** A title, a colour, a line of its own, a C1 command, an override, a hidden tag. */
const EVIL =
  "x\u001b]0;pwned\u0007\u001b[31m\r\n! all is well\u2028\u009b2J\u0085\u202egnp.\u200b\u{e0041}";
/** What may not come raw, but for ends of lines and what stands between columns. */
const RAW = /(?![\n\t])[\p{Cc}\p{Cf}\u2028\u2029]/u;

function assertHarmless(text: string, what: string): void {
  const found = RAW.exec(text);
  const code = found?.[0].codePointAt(0)?.toString(16);
  ok(
    found === null,
    `${what} holds U+${code} raw: ${
      JSON.stringify(text.slice(Math.max(0, (found?.index ?? 0) - 60)))
    }`,
  );
  ok(!/^! all is well/m.test(text), `${what} has a line of the attacker's`);
}

/** gRPC's way to write any text into a header. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text);
}

const COMMANDS: readonly (readonly string[])[] = [
  ["status"],
  ["status", "--json"],
  ["store", "get", "/x"],
  ["store", "list", "/"],
  ["store", "watch", "/x/"],
  ["etcd", "compact"],
  ["etcd", "defrag"],
  ["etcd", "disarm"],
];

for (const code of ["7", "14", "2"]) {
  Deno.test(`no command prints what a server says with gRPC's status ${code} but as text`, async () => {
    await using hostile = await startHostileEtcd({
      lie: () => ({
        trailers: {
          "grpc-status": code,
          "grpc-message": percentEncoded(EVIL),
        },
      }),
    });
    for (const command of COMMANDS) {
      const { stdout, stderr } = await runMeasured(
        [...command, `--endpoints=${hostile.endpoint}`],
        { stopAfterMs: 12_000 },
      );
      assertHarmless(stdout + stderr, command.join(" "));
    }
  });
}

/** Puts evil text wherever an answer has text of a member's. */
function poison(message: Message): Message {
  const members = message.members as Message[] | undefined;
  return {
    ...message,
    ...(members
      ? {
        members: members.map((member) => ({
          ...member,
          name: EVIL,
          clientURLs: [`http://127.0.0.1:1/${EVIL}`, ...[member.clientURLs]],
        })),
      }
      : {}),
    ..."version" in message ? { version: EVIL, errors: [EVIL] } : {},
  };
}

Deno.test("no command prints names, versions or alarms of members but as text", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 5);
  const own: { endpoint?: string } = {};
  await using hostile = await startHostileEtcd({
    behind: etcd.endpoint,
    async lie({ name, real }) {
      if (name === "Cluster/MemberList") {
        const { members, ...rest } = poison(await real());
        const list = (members as Message[]).map((member) => ({
          ...member,
          clientURLs: [own.endpoint],
        }));
        return { messages: [{ ...rest, members: list }] };
      }
      if (name === "Maintenance/Status") {
        return { messages: [poison(await real())] };
      }
      return undefined;
    },
  });
  own.endpoint = hostile.endpoint;

  for (const command of COMMANDS.filter(([name]) => name !== "store")) {
    const { stdout, stderr } = await runMeasured(
      [...command, `--endpoints=${hostile.endpoint}`],
      { stopAfterMs: 12_000 },
    );
    assertHarmless(stdout + stderr, command.join(" "));
    if (command.includes("--json")) {
      strictEqual(JSON.parse(stdout).members[0].name, EVIL);
    }
  }
});

Deno.test("no command prints a member's URL but as text", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 5);
  await using hostile = await startHostileEtcd({
    behind: etcd.endpoint,
    async lie({ name, real }) {
      if (name !== "Cluster/MemberList") return undefined;
      const { members, ...rest } = await real();
      const list = (members as Message[]).map((member) => ({
        ...member,
        clientURLs: [`http://127.0.0.1:1/${EVIL}`],
      }));
      return { messages: [{ ...rest, members: list }] };
    },
  });

  for (const command of [["status"], ["status", "--json"]]) {
    const { code, stdout, stderr } = await runAgent([
      ...command,
      `--endpoints=${hostile.endpoint}`,
    ]);
    assertHarmless(stdout + stderr, command.join(" "));
    ok(code !== 70, stderr);
  }
});

Deno.test("no command prints what the store holds but as text", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 5);
  await etcd.ctl("put", "/kat/leader_election/1", EVIL);
  await etcd.ctl("put", `/k${EVIL}`, EVIL);
  await etcd.ctl("put", "/kat/config/cluster_uid", EVIL);
  const timing = {
    heartbeatIntervalMs: 100,
    electionTimeoutMs: 1_000,
    diskP99Ms: 1,
    slowestNode: EVIL,
  };
  await etcd.ctl("put", "/kat/config/timing", JSON.stringify(timing));

  for (
    const command of [
      ["status"],
      ["status", "--json"],
      ["store", "list", ""],
      ["store", "get", `/nothing${EVIL.replaceAll("\0", "")}`],
    ]
  ) {
    const { stdout, stderr } = await runAgent([
      ...command,
      `--endpoints=${etcd.endpoint}`,
    ]);
    assertHarmless(stdout + stderr, command.join(" "));
  }
  for (const key of ["cluster_config", "schema_version"]) {
    await etcd.ctl("put", `/kat/config/${key}`, `{"x":"${EVIL}`);
    await etcd.ctl("put", "/kat/schema_version", EVIL);
    const { stdout, stderr } = await runAgent([
      "status",
      `--endpoints=${etcd.endpoint}`,
    ]);
    assertHarmless(stdout + stderr, key);
  }
});

const hasScript = await new Deno.Command("script", { args: ["--version"] })
  .output().then(({ success }) => success, () => false);

Deno.test(
  "store get prints a value as it is to a pipe, and as text to a terminal",
  {
    ignore: !hasScript || Deno.build.os !== "linux",
  },
  async () => {
    await using etcd = await startTestEtcd();
    await makeCluster(etcd.endpoint, 5);
    const value = `${EVIL}\nb\tc`;
    await etcd.ctl("put", "/x", value);
    const words = ["store", "get", "/x", `--endpoints=${etcd.endpoint}`];

    const { stdout } = await runAgent(words);
    const [command, args] = agentCommand(words);
    const quoted = [command, ...args].map((word) => `'${word}'`).join(" ");
    const terminal = await new Deno.Command("script", {
      args: ["--quiet", "--return", "--command", quoted, "/dev/null"],
      env: { NO_COLOR: "1", TERM: "dumb" },
      stdin: "null",
    }).output();

    strictEqual(stdout, value);
    // A terminal itself ends lines with two characters.
    const shown = new TextDecoder().decode(terminal.stdout)
      .replaceAll("\r\n", "\n");
    ok(shown.includes("pwned"), shown);
    // The value's own lines stay lines.
    strictEqual(RAW.exec(shown), null, JSON.stringify(shown));
  },
);

for (const format of ["text", "json"] as const) {
  Deno.test(`an agent logs the leader's name in the store as ${format} without its commands`, async () => {
    await using etcd = await startTestEtcd();
    await makeCluster(etcd.endpoint, 5);
    await etcd.ctl("put", "/kat/leader_election/1", EVIL);
    await using agent = startAgent([
      "run",
      `--endpoints=${etcd.endpoint}`,
      "--node-name=n1",
    ], { env: { KAT_LOG_FORMAT: format, KAT_LOG_LEVEL: "debug" } });
    // The second is an event, which takes another way to the log.
    await eventually(async () => {
      const keys = await etcd.ctl("get", "--prefix", "/kat/leader_election/");
      ok(keys.split("/kat/").length > 2, keys);
    }, { withinMs: 60_000 });
    await etcd.ctl("put", "/kat/leader_election/1", `again ${EVIL}`);
    await etcd.ctl("del", "/kat/leader_election/1");
    if (format === "json") await agent.logged("Became leader");

    const { stderr } = await agent.stop();

    ok(stderr.includes("pwned"), "the name was not logged at all");
    assertHarmless(stderr, "the log");
  });
}

/** Evil in every place that a record has. */
const FIELDS: Readonly<Record<string, unknown>> = {
  plain: EVIL,
  [`name${EVIL}`]: "value",
  "MESSAGE\n_UID": "0",
  object: { [EVIL]: EVIL, inner: [EVIL, { deep: EVIL }] },
  error: new Error(EVIL),
  big: 7n,
  nested: { big: 7n },
  url: new URL("http://127.0.0.1/\u202e"),
  bytes: new TextEncoder().encode(EVIL),
  symbol: Symbol(EVIL),
};

for (
  const [what, format, isJournal] of [
    ["text", "text", false],
    ["JSON", "json", false],
    ["text for the journal", "text", true],
    ["JSON for the journal", "json", true],
  ] as const
) {
  Deno.test(`the log as ${what} is a line for each record, whatever its fields are called and hold`, async () => {
    const chunks: string[] = [];
    {
      await using _log = await startLogging({
        format,
        level: "info",
        colors: false,
        write(bytes) {
          chunks.push(new TextDecoder().decode(bytes));
          return Promise.resolve();
        },
        journal: isJournal ? { socket: "/nonexistent/socket" } : undefined,
      });
      logger("agent").info(`Said {plain}: ${EVIL}`, FIELDS);
      for (const [name, value] of Object.entries(FIELDS)) {
        logger("agent").info("Said", { [name]: value });
      }
    }
    const text = chunks.join("");

    assertHarmless(text, "the log");
    strictEqual(
      text.trimEnd().split("\n").length,
      1 + Object.keys(FIELDS).length,
      text,
    );
    if (format === "text") ok(text.includes("pwned"));
    if (format === "json" && !isJournal) {
      const [first = "{}"] = text.split("\n");
      strictEqual(JSON.parse(first).plain, EVIL);
    }
  });
}

Deno.test("a field does not take the place of a JSON line's own time, level, component and message", async () => {
  const chunks: string[] = [];
  {
    await using _log = await startLogging({
      format: "json",
      level: "info",
      colors: false,
      write(bytes) {
        chunks.push(new TextDecoder().decode(bytes));
        return Promise.resolve();
      },
      journal: undefined,
    });
    const forged = {
      time: "never",
      level: "fatal",
      component: "x",
      message: "y",
    };
    logger("agent").info("Said", forged);
  }

  const { level, component, message } = JSON.parse(chunks.join(""));

  deepStrictEqual({ level, component, message }, {
    level: "info",
    component: "agent",
    message: "Said",
  });
});

Deno.test("an entry of the journal has no field that a value or a name made up", async () => {
  await using dir = await tempDir();
  const socket = `${dir.path}/journal`;
  using journal = receiveDatagrams(socket);
  await using _log = await startLogging({
    format: "text",
    level: "info",
    colors: false,
    write: () => Promise.resolve(),
    journal: { socket },
  });
  logger("agent").info("Said {plain}", {
    plain: "a\nPRIORITY=0\n_UID=0",
    "x=y\nMESSAGE=forged\n_PID": "1\n_PID=1",
    object: { "\nUNIT": "a\nUNIT=init.scope" },
  });

  const names = fieldNames(new TextEncoder().encode(await journal.next()));

  const unknown = names.filter((name) =>
    !/^(MESSAGE|PRIORITY|SYSLOG_IDENTIFIER|KAT_[A-Z0-9_]+)$/.test(name)
  );
  deepStrictEqual(unknown, []);
  deepStrictEqual(names.filter((name) => name === "PRIORITY").length, 1);
  deepStrictEqual(names.filter((name) => name === "MESSAGE").length, 1);
});

/** Reads an entry as the journal does: `NAME=VALUE`, or NAME, a length and so many bytes. */
function fieldNames(entry: Uint8Array): string[] {
  const names: string[] = [];
  const decoder = new TextDecoder();
  for (let at = 0; at < entry.length;) {
    const end = entry.indexOf(10, at);
    const line = decoder.decode(entry.subarray(at, end));
    const equals = line.indexOf("=");
    if (equals >= 0) {
      names.push(line.slice(0, equals));
      at = end + 1;
      continue;
    }
    names.push(line);
    const view = new DataView(entry.buffer, entry.byteOffset + end + 1, 8);
    at = end + 1 + 8 + Number(view.getBigUint64(0, true)) + 1;
  }
  return names;
}
