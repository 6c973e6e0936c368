/**
 * The table of commands: parse, dispatch; an error becomes a message and an
 * exit code.
 *
 * @module
 */

import { or } from "@optique/core/constructs";
import { runParser } from "@optique/core/facade";
import { lineBreak, type Message, message, text } from "@optique/core/message";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import { escapeControls } from "../base/escape_controls.ts";
import { ExitCode, KatError, ShutdownRequested } from "../base/errors.ts";
import { BUILD, VERSION } from "../base/version.ts";
import { PINNED_ETCD_VERSION } from "../config/pinned_etcd.ts";
import type { Action, Command, Context } from "./command.ts";
import { configCommand } from "./config_command.ts";
import { etcdCommand } from "./etcd_command.ts";
import { initCommand } from "./init_command.ts";
import { runCommand } from "./run_command.ts";
import { statusCommand } from "./status_command.ts";
import { storeCommand } from "./store_command.ts";
import { systemdCommand } from "./systemd_command.ts";
import {
  isGroup,
  namedCommand,
  unexplained,
  unknownWord,
} from "./unknown_word.ts";
import { wrapUsage } from "./wrap_usage.ts";

/** Every command, in the order in which help shows them. */
export const COMMANDS: readonly Command[] = [
  initCommand,
  runCommand,
  statusCommand,
  configCommand,
  storeCommand,
  etcdCommand,
  systemdCommand,
];

/** What {@linkcode runCli} is given besides the arguments. */
export interface CliContext extends Context {
  /** Writes what is said to the user besides results. */
  readonly stderr: (text: string) => Promise<void>;
}

/**
 * Runs one command line and returns its exit code. Expected trouble is printed
 * as `kat-agent: MESSAGE` with a next step; a bug is thrown.
 */
export async function runCli(
  args: readonly string[],
  context: CliContext,
): Promise<ExitCode> {
  try {
    return await parse(args, context)(context);
  } catch (error) {
    if (error instanceof ShutdownRequested) return ExitCode.ok;
    if (!(error instanceof KatError)) throw error;
    const below = [error.hint, ...error.details.map((line) => `| ${line}`)]
      .filter((line) => line !== undefined)
      .map((line) => `  ${shown(line)}\n`);
    // Only cluster.kat has several errors at once, a line each.
    const message = error.exitCode === ExitCode.config
      ? error.message.split("\n").map(shown).join("\n")
      : shown(error.message);
    await context.stderr(`kat-agent: ${message}\n${below.join("")}`);
    return error.exitCode;
  }
}

/** How much of a long line is shown at both ends; the longest path is shorter. */
const SHOWN_ENDS = 2_500;

/** A line that is safe to print: without control characters, and not too long to read. */
function shown(line: string): string {
  const text = escapeControls(line);
  return text.length <= 2 * SHOWN_ENDS
    ? text
    : `${text.slice(0, SHOWN_ENDS)}…${text.slice(-SHOWN_ENDS)}`;
}

/** Parses the command line; a wrong one becomes an action that says what is wrong. */
function parse(
  args: readonly string[],
  { stdout, stdoutBytes, stderr }: CliContext,
): Action {
  const isHelp = args[0] === "help";
  const words = isHelp ? args.slice(1) : args;
  const named = namedCommand(words, COMMANDS);
  const unknown = (word: string) => unknownWord(word, named);
  const complain = (text: string): Action => async () => {
    const lines = text.split("\n").map(shown).join("\n");
    const help = ["kat-agent help", ...named.words].join(" ");
    await stderr(`kat-agent: ${lines}\n  See: ${help}\n`);
    return ExitCode.usage;
  };
  // Of these the library prints the usage of every command, and no reason.
  const word = isHelp ? unexplained(words, named) : undefined;
  if (word !== undefined) return complain(unknown(word));

  const printed: string[] = [];
  const complaints: string[] = [];
  const print = (exitCode: number): Action => async () => {
    await stdout(wrapUsage(printed.join("")));
    return exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  };
  // A shell gets it as it is: zsh wants NUL between the columns.
  const complete = (exitCode: number): Action => async () => {
    await stdoutBytes(new TextEncoder().encode(printed.join("")));
    return exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  };
  return runParser(toParser(COMMANDS, unknown), "kat-agent", args, {
    brief:
      message`Runs etcd for a KAT cluster, keeps its state and elects its leader.`,
    help: {
      command: { names: ["help"] },
      option: { names: ["--help", "-h"] },
      onShow: print,
    },
    version: {
      value: versionLine(),
      command: { names: ["version"] },
      option: { names: ["--version"] },
      onShow: print,
    },
    completion: { command: { names: ["completion"] }, onShow: complete },
    aboveError: "none",
    maxWidth: 80,
    termWidth: 28,
    commandList: "top-level",
    usageLine: [{ type: "ellipsis" }],
    footer: message`${
      text("kat-agent help COMMAND shows options and examples.")
    }`,
    colors: false,
    stdout: (line) => printed.push(`${line}\n`),
    stderr: (text) => {
      // The library ends its sentences with a full stop, and this program does not.
      complaints.push(text.replace(/^Error: /, "").replace(/\.$/, ""));
    },
    onError: () => complain(complaints.join("\n")),
  });
}

function versionLine(): string {
  const { os, arch } = Deno.build;
  return `kat-agent ${VERSION} (etcd ${PINNED_ETCD_VERSION}, Deno ${Deno.version.deno}, ${os} ${arch}, ${BUILD})`;
}

/** The commands as one parser, which chooses by the first words. */
function toParser(
  commands: readonly Command[],
  unknown: (word: string) => string,
): Parser<"sync", Action> {
  const names = commands.map(({ name }) => name).join(", ");
  const errors = {
    noMatch: message`Missing command: one of ${text(names)}`,
    unexpectedInput: (word: string) => plainLines(unknown(word)),
  };
  const parsers: Parser<"sync", Action>[] = commands.map((one) =>
    command(
      one.name,
      isGroup(one.parser) ? toParser(one.parser, unknown) : one.parser,
      {
        brief: message`${text(one.summary)}`,
        description: message`${text(one.description)}`,
        footer: examples(one),
      },
    )
  );
  return parsers.reduce((all, next) => or(all, next, { errors }));
}

/** Examples a line each, as they can be typed. */
function examples({ examples }: Command): Message {
  return plainLines(
    ["Examples:", ...examples.map((line) => `  ${line}`)].join("\n"),
  );
}

/** Lines without any mark-up. */
function plainLines(lines: string): Message {
  return lines.split("\n").flatMap((line, index) =>
    index === 0 ? [text(line)] : [lineBreak(), text(line)]
  );
}
