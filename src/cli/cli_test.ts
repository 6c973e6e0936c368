import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { COMMANDS, runCli } from "./cli.ts";
import type { Command } from "./command.ts";
import { isGroup } from "./unknown_word.ts";

interface Printed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line that does nothing but print. */
async function print(...args: string[]): Promise<Printed> {
  let stdout = "";
  let stderr = "";
  const code = await runCli(args, {
    env: {},
    signal: new AbortController().signal,
    terminal: undefined,
    stdoutBytes: () => Promise.reject(new TypeError("no bytes are expected")),
    stdout: (text) => Promise.resolve(void (stdout += text)),
    stderr: (text) => Promise.resolve(void (stderr += text)),
  });
  return { code, stdout, stderr };
}

/** Every command with the words that name it, groups too. */
function commandsIn(
  commands: readonly Command[],
  before: readonly string[] = [],
): { words: string[]; command: Command }[] {
  return commands.flatMap((command) => {
    const words = [...before, command.name];
    const inside = isGroup(command.parser)
      ? commandsIn(command.parser, words)
      : [];
    return [{ words, command }, ...inside];
  });
}

for (const { words, command } of commandsIn(COMMANDS)) {
  Deno.test(`help ${words.join(" ")} shows usage and examples that can be copied`, async () => {
    const { code, stdout } = await print("help", ...words);

    strictEqual(code, 0);
    const examples = command.examples.map((line) => `  ${line}\n`).join("");
    ok(stdout.endsWith(`\nExamples:\n${examples}`), stdout);
    const [, usage = ""] = /^(Usage: [^]*?)\n\n/m.exec(stdout) ?? [];
    for (const line of usage.split("\n")) {
      strictEqual(line.split("[").length, line.split("]").length, usage);
    }
    for (const line of stdout.split("\n")) {
      ok(line.length <= 80 && !line.endsWith(" "), `"${line}"`);
    }
  });
}

for (
  const [line, ...stderr] of [
    [
      "init --conf x",
      "Unknown option `--conf` of `kat-agent init`",
      "Did you mean `--config`?",
      "See: kat-agent help init",
    ],
    [
      "init --node=n1",
      "Unknown option `--node` of `kat-agent init`",
      "Did you mean `--node-name`?",
      "See: kat-agent help init",
    ],
    [
      "run --xyz",
      "Unknown option `--xyz` of `kat-agent run`",
      "See: kat-agent help run",
    ],
    [
      "statuss",
      "Unknown command `statuss`",
      "Did you mean `status`?",
      "See: kat-agent help",
    ],
    [
      "etcd ftch",
      "Unknown command `ftch` of `kat-agent etcd`",
      "Did you mean `fetch`?",
      "See: kat-agent help etcd",
    ],
    [
      "run extra",
      "Unexpected argument `extra` of `kat-agent run`",
      "See: kat-agent help run",
    ],
    ["help frob", "Unknown command `frob`", "See: kat-agent help"],
    [
      "help init x",
      "Unexpected argument `x` of `kat-agent init`",
      "See: kat-agent help init",
    ],
    [
      "version x",
      "Unexpected argument of `kat-agent version`",
      "See: kat-agent help",
    ],
    [
      "etcd",
      "Missing command: one of fetch, compact, defrag, disarm",
      "See: kat-agent help etcd",
    ],
  ] as const
) {
  Deno.test(`kat-agent ${line} says what is wrong and what was meant`, async () => {
    const printed = await print(...line.split(" "));

    deepStrictEqual(printed, {
      code: 2,
      stdout: "",
      stderr: `kat-agent: ${stderr.join("\n  ")}\n`,
    });
  });
}

Deno.test("help explains the commands that the library adds", async () => {
  for (const name of ["help", "version", "completion"]) {
    const { code, stdout } = await print("help", name);
    strictEqual(code, 0);
    ok(stdout.includes(`kat-agent ${name}`), stdout);
  }
});
