import { match, ok, strictEqual } from "node:assert/strict";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import { type BadInput, init, testBadInputs } from "../cli/bad_input.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { processesNaming } from "../machine/processes.ts";
import { tempDir } from "../machine/temp_dir.ts";

/** Near the longest argument that the kernel accepts. */
const LONG = "a".repeat(128 * 1024 - 100);
/** Colours, clears the screen, ends the line. */
const RAW = "\x1b[31mred\x1b[2J\nline\u202e";

/** What runs a command after shell words, as `ulimit -n 64;`. */
const shell = (words: string) => () => [
  "/bin/sh",
  "-c",
  `${words} exec "$@"`,
  "sh",
];

const COMMAND_LINES: readonly BadInput[] = [
  {
    name: "an empty word for a command",
    args: () => [""],
    code: 2,
    says: /``/,
  },
  {
    name: "a word after --",
    args: () => ["init", "--config", "--", "x"],
    code: 2,
    says: /Unexpected|requires/,
  },
  {
    name: "an option before its command",
    args: ({ data }) => [`--data-dir=${data}`, "status"],
    code: 2,
    says: /--data-dir/,
  },
  {
    name: "an unknown option after the arguments",
    args: ({ file }) => ["config", "validate", file.path, "--strict"],
    code: 2,
    says: /`--strict`/,
  },
  {
    name: "two files in place of one",
    args: ({ file }) => ["config", "show", file.path, file.path],
    code: 2,
    says: /cluster\.kat/,
  },
  {
    name: "a configuration on standard input",
    args: (p) => init(p).with(1, "--config=-"),
    code: 78,
    says: /-: cannot be read/,
  },
  {
    name: "a command of 128 KiB",
    args: () => [LONG],
    code: 2,
    says: /aaaa…/,
  },
  {
    name: "a node name of 128 KiB",
    args: (p) => init(p).with(3, `--node-name=${LONG}`),
    code: 2,
    says: /aaaa…/,
  },
  {
    name: "a configuration at a path of 128 KiB",
    args: (p) => init(p).with(1, `--config=${LONG}`),
    code: 78,
    says: /too long/,
  },
  {
    name: "a data directory at a path of 128 KiB",
    args: (p) => init(p).with(2, `--data-dir=/${LONG}`),
    code: 1,
    says: /aaaa…/,
  },
  {
    name: "endpoints of 128 KiB",
    args: () => ["status", `--endpoints=${LONG}`],
    code: 2,
    says: /aaaa…/,
  },
  ...[
    ["a command", [RAW], 2],
    ["an option", ["init", `--${RAW}`], 2],
    ["a path", ["config", "validate", RAW], 78],
    ["an endpoint", ["status", `--endpoints=http://${RAW}:1`], 2],
    ["an initial member", ["init", "-c", "x", `--initial-cluster=${RAW}`], 78],
    ["a data directory", ["status", `--data-dir=/${RAW}`], 1],
    ["a log level", ["init", "-c", "x", `--log-level=${RAW}`], 2],
  ].map(([what, args, code]): BadInput => ({
    name: `${what} that would steer the terminal`,
    args: () => args as string[],
    code: code as number,
    says: /^kat-agent: [^\u202e]*$/,
  })),
  ...["5", "-1", "1e3", "5s", "∞", "DEBUG", " info", "info,debug"].map((
    level,
  ): BadInput => ({
    name: `the log level "${level}"`,
    args: (p) => init(p, `--log-level=${level}`),
    code: 2,
    says: /"debug"|`debug`|info/,
  })),
  ...["NAN", "http://127.0.0.1", "http://127.0.0.1:", "127.0.0.1:2379"].map((
    url,
  ): BadInput => ({
    name: `the endpoint "${url}"`,
    args: () => ["status", `--endpoints=${url}`],
    code: 2,
    says: /Cannot use "/,
  })),
];

const SURROUNDINGS: readonly BadInput[] = [
  {
    name: "to lose output when standard output is full",
    args: () => ["version"],
    prefix: shell("exec >/dev/full;"),
    ignore: Deno.build.os !== "linux",
    code: 1,
    says: /Cannot write to standard output\n {2}No space left/,
  },
  {
    name: "a wrong command line under a strange locale and terminal",
    args: () => ["frob"],
    env: { LC_ALL: "C", TERM: "dumb", LANG: "xx_YY.nonsense" },
    code: 2,
    says: /`frob`/,
  },
  {
    name: "a wrong file with 64 open files",
    args: (p) => init(p).with(1, "--config=/nonexistent/cluster.kat"),
    prefix: shell("ulimit -n 64;"),
    code: 78,
    says: /there is no such file/,
  },
  {
    name: "a wrong file with standard input closed",
    args: () => ["config", "validate", "/nonexistent/cluster.kat"],
    prefix: shell("exec <&-;"),
    code: 78,
    says: /there is no such file/,
  },
];

testBadInputs(COMMAND_LINES);
testBadInputs(SURROUNDINGS);

const PARTS: readonly (readonly [name: string, words: string])[] = [
  ["standard input", "exec <&-;"],
  ["standard output", "exec >&-;"],
  ["standard error", "exec 2>&-;"],
  ["all three", "exec <&- >&- 2>&-;"],
];
for (const [name, words] of PARTS) {
  Deno.test(`kat-agent keeps its exit code when ${name} is closed`, async () => {
    const prefix = shell(words)();

    strictEqual((await runAgent(["frob"], { prefix })).code, 2);
    // The answer reaches no reader, which is no success.
    const { code } = await runAgent(["version"], { prefix });
    ok(code === 0 || code === 1, String(code));
  });
}

Deno.test("kat-agent shows no stack trace when the reader of its output has ended", async () => {
  // `head` ends after one line of many; the shell tells the exit code.
  const { stdout, stderr } = await runAgent(["completion", "bash"], {
    prefix: [
      "/bin/sh",
      "-c",
      '{ "$@"; echo "code $?" >&2; } | :',
      "sh",
    ],
  });

  strictEqual(stdout, "");
  match(stderr, /^code [01]$/m);
  ok(!/^\s+at /m.test(stderr), stderr);
});

Deno.test("init with few open files says what is missing, and leaves no process", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);

  const { code, stderr } = await runAgent(
    initArgs(file, `${dir.path}/data`),
    {
      prefix: shell("ulimit -n 64;")(),
      env: { KAT_ETCD_BINARY: etcdBinaries.etcd },
    },
  );

  strictEqual(code, 1, stderr);
  match(
    stderr,
    /^kat-agent: Cannot run etcd: .*its limit of open files is too low/m,
  );
  match(stderr, /ulimit -n/);
  strictEqual((await processesNaming(dir.path)).length, 0);

  await using agent = startAgent(initArgs(file, `${dir.path}/data`));
  await agent.logged("Became leader: n1");
});
