/**
 * What to say of a word that the command line does not know: pure.
 *
 * @module
 */

import { extractOptionNames } from "@optique/core/usage";
import { escapeControls } from "../base/escape_controls.ts";
import { closestName } from "../config/closest_name.ts";
import type { Command } from "./command.ts";

/** The commands that the library adds. */
const ADDED = ["help", "version", "completion"];

/** The part of a command line that names a command. */
export interface NamedCommand {
  /** The words that name it, as `etcd fetch`; none for kat-agent itself. */
  readonly words: readonly string[];
  /** What can follow: commands, or the options of the command. */
  readonly next: Command["parser"];
}

/** Finds the command that the first of `args` name. */
export function namedCommand(
  args: readonly string[],
  commands: readonly Command[],
): NamedCommand {
  const words: string[] = [];
  let next: Command["parser"] = commands;
  for (const arg of args) {
    const found: Command | undefined = isGroup(next)
      ? next.find(({ name }) => name === arg)
      : undefined;
    if (found === undefined) break;
    words.push(found.name);
    next = found.parser;
  }
  return { words, next };
}

/** Says what is wrong with `word`, and on a second line what may have been meant. */
export function unknownWord(
  word: string,
  { words, next }: NamedCommand,
): string {
  const of = words.length === 0
    ? ""
    : ` of \`${["kat-agent", ...words].join(" ")}\``;
  const shown = escapeControls(word);
  if (word.startsWith("-")) {
    const [name = ""] = shown.split("=");
    const names = isGroup(next) ? [] : extractOptionNames(next.usage);
    return `Unknown option \`${name}\`${of}${didYouMean(name, names)}`;
  }
  if (!isGroup(next)) return `Unexpected argument \`${shown}\`${of}`;
  const added = words.length === 0 ? ADDED : [];
  if (added.includes(word)) {
    return `Unexpected argument of \`kat-agent ${word}\``;
  }
  const names = [...next.map(({ name }) => name), ...added];
  return `Unknown command \`${shown}\`${of}${didYouMean(word, names)}`;
}

function didYouMean(wrong: string, names: Iterable<string>): string {
  const closest = closestName(wrong, [...names]);
  return closest === undefined ? "" : `\n  Did you mean \`${closest}\`?`;
}

/**
 * The word that `help` cannot explain; `undefined` if it can explain all of `args`.
 */
export function unexplained(
  args: readonly string[],
  { words }: NamedCommand,
): string | undefined {
  const [first] = args.slice(words.length);
  const isAdded = words.length === 0 && ADDED.includes(first ?? "");
  return isAdded ? undefined : first;
}

/** Whether what follows are commands. */
export function isGroup(
  parser: Command["parser"],
): parser is readonly Command[] {
  return Array.isArray(parser);
}
