/**
 * Help as it is printed: lines of usage that break between options only, where
 * the library breaks them after a bracket, too.
 *
 * @module
 */

/** What a terminal has had since there were terminals. */
const WIDTH = 80;
/** Where a line of usage goes on: below the program's name, and a little in. */
const INDENT = " ".repeat("Usage: ".length + 4);

/** Wraps the usage in `help` anew, and removes spaces at the ends of lines. */
export function wrapUsage(help: string): string {
  return help
    .replace(
      /^(Usage:| {6}) kat-agent .*(?:\n {7}(?!kat-agent ).*)*/gm,
      (usage, start) => wrap(usage.slice(start.length), start),
    )
    .replace(/ +$/gm, "");
}

function wrap(usage: string, start: string): string {
  const terms = usage.replace(/\[\s+/g, "[").match(/\[[^\]]*\]|\S+/g) ?? [];
  const lines = [start];
  for (const term of terms.map((one) => one.replace(/\s+/g, " "))) {
    const last = lines.at(-1) ?? "";
    if (last.length + 1 + term.length <= WIDTH) {
      lines[lines.length - 1] = `${last} ${term}`;
    } else {
      lines.push(INDENT + term);
    }
  }
  return lines.join("\n");
}
