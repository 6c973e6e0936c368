/**
 * A first look at a YAML text, one token after the other.
 *
 * What `cluster.kat` has no use for (anchors, tags, directives) is found here,
 * and so is what could keep the tree's builder busy: too many nodes, or nested
 * too deep.
 *
 * @module
 */

import { CST, Lexer, Parser } from "yaml";

import { quote } from "./rule.ts";

/** Something that the scan refuses. */
export interface Finding {
  /** Characters (UTF-16) from the start of the text. */
  readonly offset: number;
  /** What was found and what is wanted. */
  readonly message: string;
}

/** What a scan over the whole text found. */
export interface YamlScan {
  /** The documents, for the composer; none when the scan stopped early. */
  readonly tokens: readonly CST.Token[];
  /** What is refused. */
  readonly findings: readonly Finding[];
  /** Whether the tokens mean what the text looks like. */
  readonly clear: boolean;
}

/** A real file nests three deep; the tree's builder recurses once for each level. */
const MAX_DEPTH = 32;
/** Keys, values and list entries; a real file has about 60. */
const MAX_NODES = 10_000;
/** Also spaces, line ends and comments; a real file has about 400. */
const MAX_TOKENS = 100_000;
/** Characters of keys and values in all; a real file has about 500. */
const MAX_CHARACTERS = 65_536;
/** A file in which this many things are refused is not a cluster.kat at all. */
const MAX_FINDINGS = 100;

/** Characters that no text file has, or that end a line for some programs only. */
const CONTROL_REGEXP = /(?![\t\n\r])[\p{Cc}\p{Zl}\p{Zp}\uFEFF]|\r(?!\n)/u;
/** Characters that look like a space, or are invisible, and mean neither to YAML. */
const INVISIBLE_REGEXP = /\p{Cf}|(?! )\p{Zs}/u;

/** Kinds of tokens that are refused, although the structure stays clear. */
const REFUSED_TOKENS: ReadonlyMap<string, string> = new Map([
  ["anchor", "an anchor"],
  ["alias", "an alias"],
  ["tag", "a tag"],
  ["directive-line", "a directive"],
  ["explicit-key-ind", "an explicit key"],
]);

/** Kinds of tokens of which a node has one or two. */
const NODE_TOKENS: ReadonlySet<string> = new Set([
  "scalar",
  "single-quoted-scalar",
  "double-quoted-scalar",
  "seq-item-ind",
  "map-value-ind",
  "flow-map-start",
  "flow-seq-start",
]);

/** Kinds of tokens that mean nothing. */
const BLANK_TOKENS: ReadonlySet<string> = new Set([
  "comment",
  "newline",
  "space",
]);

/**
 * Runs the lexer and the token parser, neither of which recurses, and stops at
 * the first excess.
 */
export function scanYaml(text: string): YamlScan {
  const control = CONTROL_REGEXP.exec(text);
  if (control !== null) {
    return stopAt({ offset: control.index, message: strange(control[0]) });
  }
  const tokens: CST.Token[] = [];
  const findings = findTabs(text);
  let clear = findings.length === 0;
  const parser = new Parser();
  const budget = new Budget();
  // The lexer announces a plain or block scalar's text with a token of its own.
  let isText = false;
  for (const lexeme of new Lexer().lex(text)) {
    const { offset } = parser;
    const type: string = isText ? "text" : CST.tokenType(lexeme) ?? "text";
    isText = type === "scalar";
    for (const token of parser.next(lexeme)) tokens.push(token);
    const excess = budget.spend(type, lexeme) ?? excessDepth(parser);
    if (excess !== undefined) {
      const message = `found more than ${excess}, wanted fewer`;
      return stopAt({ offset, message });
    }
    const refused = REFUSED_TOKENS.get(type);
    if (refused !== undefined) {
      const message = `found ${refused} ${quote(lexeme)}, wanted plain values`;
      findings.push({ offset, message });
    }
    const invisible = type === "comment" ? null : INVISIBLE_REGEXP.exec(lexeme);
    if (invisible !== null) {
      const message = strange(invisible[0]);
      findings.push({ offset: offset + invisible.index, message });
      clear = false;
    }
    if (findings.length >= MAX_FINDINGS) {
      return { tokens: [], findings, clear: false };
    }
  }
  for (const token of parser.end()) tokens.push(token);
  return { tokens, findings, clear };
}

/** Counts what a text has used up of the limits. */
class Budget {
  #tokens = 0;
  #nodes = 0;
  #characters = 0;

  /** Counts a token, and returns the limit that it goes beyond. */
  spend(type: string, lexeme: string): string | undefined {
    this.#tokens += 1;
    if (NODE_TOKENS.has(type)) this.#nodes += 1;
    if (!BLANK_TOKENS.has(type)) this.#characters += lexeme.length;
    if (this.#tokens > MAX_TOKENS) return `${MAX_TOKENS} tokens`;
    if (this.#nodes > MAX_NODES) return `${MAX_NODES} keys and values`;
    return this.#characters > MAX_CHARACTERS
      ? `${MAX_CHARACTERS} characters in keys and values`
      : undefined;
  }
}

/** Returns the limit of depth if too many collections are open. */
function excessDepth(parser: Parser): string | undefined {
  const isDeep = parser.stack.length > MAX_DEPTH &&
    parser.stack.filter(CST.isCollection).length > MAX_DEPTH;
  return isDeep ? `${MAX_DEPTH} levels of nesting` : undefined;
}

/** Tabs that stand where indentation does; some programs drop them, some count them. */
function findTabs(text: string): Finding[] {
  return [...text.matchAll(/^( *)\t[\t ]*(?=[^\s#])/gm)].map((match) => ({
    offset: match.index + (match[1] ?? "").length,
    message: "found a tab as indentation, wanted spaces",
  }));
}

/** The result of a scan that ended before the text did. */
function stopAt(finding: Finding): YamlScan {
  return { tokens: [], findings: [finding], clear: false };
}

function strange(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const name = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  return `found the character ${name}, wanted visible ones and plain spaces`;
}
