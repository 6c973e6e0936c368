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

import { WHOLE_FILE } from "./config_error.ts";
import { decodeText } from "./decode_text.ts";
import { ProblemList } from "./problem_list.ts";
import { scanYaml } from "./yaml_scan.ts";

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
  const known = problems.size;
  for (const error of document?.errors ?? []) {
    const offset = Math.min(error.pos[0], text.length);
    // One mistake often leads to several errors on a line: the first says most.
    if (problems.hasOnLineOf(offset)) continue;
    problems.report(
      { offset, path: pathAt(root, offset) },
      `not valid YAML: ${error.message}`,
    );
  }
  if (problems.size > known) problems.throwIfAny();
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
