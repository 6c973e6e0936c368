/**
 * One mapping of `cluster.kat`: its fields by name, each read by its rule.
 *
 * @module
 */

import { isAlias, isMap, isScalar, isSeq, type Node, Scalar } from "yaml";

import { closestName } from "./closest_name.ts";
import { WHOLE_FILE } from "./config_error.ts";
import type { Place, ProblemList } from "./problem_list.ts";
import { quote, type Rule } from "./rule.ts";
import type { RulesOf } from "./spec_rules.ts";

/** What the file says of one field. */
export interface Field<T> {
  /** The value; undefined when the field is absent or wrong. */
  readonly value: T | undefined;
  /** Where the field stands; undefined when it is absent. */
  readonly place: Place | undefined;
}

/** What the file says of each field of `T`. */
export type FieldsOf<T> = {
  readonly [K in keyof T]-?: Field<Exclude<T[K], undefined>>;
};

/** A field's place and the node behind its colon. */
export interface Entry {
  /** Where its name stands. */
  readonly place: Place;
  /** What stands behind the colon. */
  readonly node: Node | null;
}

/** A mapping with known field names. */
export class YamlMapping {
  /** Where the mapping stands: its key, or the start of the file. */
  readonly place: Place;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #problems: ProblemList;

  /** A mapping whose entries have known names, each once. */
  constructor(
    place: Place,
    entries: ReadonlyMap<string, Entry>,
    problems: ProblemList,
  ) {
    this.place = place;
    this.#entries = entries;
    this.#problems = problems;
  }

  /** The whole file; problems are reported, and what is no mapping has no fields. */
  static root(
    node: Node | null,
    names: readonly string[],
    problems: ProblemList,
  ): YamlMapping | undefined {
    const place = { offset: node?.range?.[0] ?? 0, path: WHOLE_FILE };
    return readMapping({ place, node }, names, problems);
  }

  /** The mapping in field `name`; undefined when it is absent or wrong. */
  mapping(name: string, names: readonly string[]): YamlMapping | undefined {
    const entry = this.#entries.get(name);
    return entry && readMapping(entry, names, this.#problems);
  }

  /** Reports that field `name` has to be there, unless it is. */
  require(name: string, wanted: string): void {
    if (this.#entries.has(name)) return;
    const path = joinPath(this.place.path, name);
    this.#problems.report(
      { offset: this.place.offset, path },
      `missing, wanted ${wanted}`,
    );
  }

  /** Reads field `name`, and reports what is wrong with it. */
  field<T>(name: string, rule: Rule<T>): Field<T> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return { value: undefined, place: undefined };
    const { place, node } = entry;
    const checked = readScalar(node, rule);
    if (checked === undefined) return { value: undefined, place };
    if ("value" in checked) return { value: checked.value, place };
    const offset = node?.range?.[0] ?? place.offset;
    this.#problems.report({ ...place, offset }, checked.problem);
    return { value: undefined, place };
  }

  /** Reads every field that `rules` names. */
  fields<T>(rules: RulesOf<T>): FieldsOf<T> {
    return Object.fromEntries(
      Object.entries<Rule<unknown>>(rules).map(
        ([name, rule]) => [name, this.field(name, rule)],
      ),
    ) as unknown as FieldsOf<T>;
  }
}

function joinPath(path: string, name: string): string {
  return path === WHOLE_FILE ? name : `${path}.${name}`;
}

function readMapping(
  { place, node }: Entry,
  names: readonly string[],
  problems: ProblemList,
): YamlMapping | undefined {
  if (isAlias(node)) return undefined;
  if (!isMap(node)) {
    problems.report(
      { ...place, offset: node?.range?.[0] ?? place.offset },
      `found ${describe(node)}, wanted a mapping`,
    );
    return undefined;
  }
  const entries = new Map<string, Entry>();
  for (const { key, value } of node.items) {
    const offset = (key as Node | null)?.range?.[0] ?? place.offset;
    const name = isScalar(key) ? key.value : undefined;
    if (typeof name !== "string") {
      problems.report(
        { ...place, offset },
        `found ${describe(key as Node | null)} as a field's name, ` +
          `wanted one of ${names.join(", ")}`,
      );
      continue;
    }
    // An unknown name may be anything: only what looks like one becomes a path.
    const shown = /^\w{1,64}$/.test(name) ? name : quote(name);
    const at = { offset, path: joinPath(place.path, shown) };
    if (!names.includes(name)) {
      problems.report(at, `found an unknown field, ${suggest(name, names)}`);
    } else if (entries.has(name)) {
      problems.report(at, "found the field a second time, wanted it once");
    } else {
      entries.set(name, { place: at, node: value as Node | null });
    }
  }
  return new YamlMapping(place, entries, problems);
}

function suggest(name: string, names: readonly string[]): string {
  const closest = closestName(name, names);
  return closest === undefined
    ? `wanted one of ${names.join(", ")}`
    : `did you mean ${quote(closest)}?`;
}

/** The value, what is wrong, or undefined for an alias, which was reported before. */
function readScalar<T>(
  node: Node | null,
  rule: Rule<T>,
): { value: T } | { problem: string } | undefined {
  if (isAlias(node)) return undefined;
  if (!isScalar(node)) {
    return { problem: `found ${describe(node)}, wanted ${rule.wanted}` };
  }
  const { value, source = "" } = node;
  const isString = typeof value === "string";
  if (rule.type === "integer" && isString && node.type !== Scalar.PLAIN) {
    const advice = "value" in rule.check(value)
      ? "a plain number: remove the quotes"
      : rule.wanted;
    return { problem: `found the string ${quote(value)}, wanted ${advice}` };
  }
  if (rule.type === "string" && !isString) {
    const advice = "value" in rule.check(source)
      ? "a string: put it in quotes"
      : rule.wanted;
    return { problem: `found ${describe(node)}, wanted ${advice}` };
  }
  const isText = isString || typeof value === "number";
  const checked = isText
    ? rule.check(isString ? value : source)
    : { found: describe(node) };
  if ("found" in checked) {
    return { problem: `found ${checked.found}, wanted ${rule.wanted}` };
  }
  const other = rule.type === "string" && node.type === Scalar.PLAIN
    ? otherReading(source)
    : undefined;
  return other === undefined ? checked : {
    problem:
      `found ${source}, which other programs read as ${other}, wanted a string: put it in quotes`,
  };
}

/**
 * Plain texts that YAML 1.1 does not read as strings, as 1.2 does. Most programs
 * still read 1.1, and a file must mean the same to all: https://yaml.org/type/
 */
const OTHER_READINGS: ReadonlyMap<string, RegExp> = new Map([
  [
    "a boolean",
    /^(?:[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$/,
  ],
  [
    "a number",
    /^[-+]?(?:0b[01_]+|0x[\da-fA-F_]+|\d[\d_]*(?::[0-5]?\d)*(?:\.[\d_]*)?)$/,
  ],
  ["a date", /^\d{4}-\d\d?-\d\d?(?:[Tt ].*)?$/],
]);

/** What YAML 1.1 takes a plain text for, if not for a string. */
function otherReading(source: string): string | undefined {
  return [...OTHER_READINGS].find(([, form]) => form.test(source))?.[0];
}

function describe(node: Node | null): string {
  if (isMap(node)) return "a mapping";
  if (isSeq(node)) return "a list";
  if (!isScalar(node)) return "nothing";
  const { value, source = "" } = node;
  if (value === null) return source === "" ? "nothing" : "null";
  if (typeof value === "boolean") return `the boolean ${source}`;
  if (typeof value === "number") return `the number ${source}`;
  return typeof value === "string" ? quote(value) : "another kind of value";
}
