/**
 * From the bytes of a file to one YAML document of plain mappings and scalars.
 *
 * Whatever YAML has beyond that (anchors, tags, directives, several documents)
 * is refused, and so is what could keep the parser busy: the size, the number
 * of nodes and their depth are checked before a tree is built.
 *
 * @module
 */

import { Composer, isMap, isScalar, type Node } from "yaml";

import { ConfigError, WHOLE_FILE } from "./config_error.ts";
import { ProblemList } from "./problem_list.ts";
import { scanYaml } from "./yaml_scan.ts";

/** What a `cluster.kat` may weigh; a real one has about 1 KiB. */
export const MAX_FILE_BYTES = 1024 * 1024;

/** The parser's words for the most usual mistakes, and plainer ones; its codes stand for several each. */
const PLAINER_WORDS: ReadonlyMap<string, string> = new Map([
  [
    "All mapping items must start at the same column",
    "the indentation of this line does not match the lines above it",
  ],
  [
    "Nested mappings are not allowed in compact mappings",
    'found a mapping inside a value: put a value that has ": " in it in quotes, or check the indentation of the next line',
  ],
]);

/** A file that could be read as YAML. */
export interface YamlSource {
  /** The outermost node; null for a file without any. */
  readonly root: Node | null;
  /** The problems found so far; fields can be checked all the same. */
  readonly problems: ProblemList;
}

/**
 * Reads the one document in `source`.
 *
 * @throws {ConfigError} when the structure is not clear enough to look at
 * single fields.
 */
export function readYaml(
  source: Uint8Array | string,
  file: string,
): YamlSource {
  const text = decodeText(source, file);
  const problems = new ProblemList(file, text);
  const { tokens, findings, clear } = scanYaml(text);
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    // The composer compares each key with every other; YamlMapping does not.
    uniqueKeys: false,
    logLevel: "silent",
  });
  const [document, second] = composer.compose(tokens, true, text.length);
  const root = (document?.contents ?? null) as Node | null;

  for (const { offset, message } of findings) {
    const path = clear ? pathAt(root, offset) : WHOLE_FILE;
    problems.report({ offset, path }, message);
  }
  if (second !== undefined) {
    problems.report(
      {
        offset: second.contents?.range[0] ?? second.range[0],
        path: WHOLE_FILE,
      },
      "found a second document, wanted one",
    );
  }
  if (!clear) problems.throwIfAny();
  const placed = (document?.errors ?? []).map((error) => ({
    error,
    offset: Math.min(error.pos[0], text.length),
  }));
  // One mistake, as a line one space too deep, makes an error of each line
  // after it: the first says most.
  const first = placed.find(({ offset }) => !problems.hasOnLineOf(offset));
  if (first !== undefined) {
    const { error, offset } = first;
    const path = pathAt(root, offset);
    problems.report(
      { offset, path },
      `not valid YAML: ${PLAINER_WORDS.get(error.message) ?? error.message}`,
    );
    problems.throwIfAny();
  }
  return { root, problems };
}

/** The path of the field that holds `offset`. */
function pathAt(root: Node | null, offset: number): string {
  let path = "";
  let node: unknown = offset <= (root?.range?.[2] ?? 0) ? root : null;
  while (isMap(node)) {
    const pair = node.items.findLast(({ key }) =>
      isScalar(key) && key.range && key.range[0] <= offset
    );
    if (pair === undefined || !isScalar(pair.key)) break;
    const { value } = pair.key;
    if (typeof value !== "string" || !/^\w{1,64}$/.test(value)) break;
    path = path === "" ? value : `${path}.${value}`;
    node = pair.value;
  }
  return path === "" ? WHOLE_FILE : path;
}

/**
 * Returns the text of a file, without a byte order mark at its start.
 *
 * @throws {ConfigError} for what is too large or not UTF-8.
 */
function decodeText(source: Uint8Array | string, file: string): string {
  const bytes = typeof source === "string"
    ? new TextEncoder().encode(source)
    : source;
  if (bytes.length > MAX_FILE_BYTES) {
    throw new ConfigError([{
      file,
      line: 0,
      column: 0,
      path: WHOLE_FILE,
      message: `found more than ${MAX_FILE_BYTES} bytes, wanted a cluster.kat`,
    }]);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError([{
      file,
      ...locateBadByte(bytes),
      path: WHOLE_FILE,
      message: (bytes[0] === 0xff && bytes[1] === 0xfe) ||
          (bytes[0] === 0xfe && bytes[1] === 0xff)
        ? "found UTF-16, wanted UTF-8"
        : "found bytes that are not UTF-8, wanted a text file in UTF-8",
    }]);
  }
}

/** The place of the first byte that is not UTF-8; there is one. */
function locateBadByte(bytes: Uint8Array): { line: number; column: number } {
  const lenient = new TextDecoder();
  const strict = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    // No byte of a longer character is 0x0a, so lines can be looked at one by one.
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    const part = bytes.subarray(start, end);
    try {
      strict.decode(part);
    } catch {
      const before = lenient.decode(part).split("\uFFFD", 1)[0] ?? "";
      return { line, column: [...before].length + 1 };
    }
    start = end + 1;
  }
  return { line: 1, column: 1 };
}
