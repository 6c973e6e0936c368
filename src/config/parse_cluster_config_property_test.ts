import assert from "node:assert/strict";

import fc from "fast-check";

import { ConfigError } from "./config_error.ts";
import { parseClusterConfig } from "./parse_cluster_config.ts";
import { showClusterConfig } from "./show_cluster_config.ts";

const VALID = new URL("../../tests/testdata/valid/", import.meta.url);
const EXAMPLE = new URL("../../examples/cluster.kat", import.meta.url);
const OPTIONS = { file: "cluster.kat", defaultDataDir: "/var/lib/kat" };
const RUNS = 30_000;
/** Most take a millisecond; a hang takes much longer than a busy machine adds. */
const PARSE_LIMIT_MS = 1_000;

const encoder = new TextEncoder();

const goodFiles = [
  Deno.readFileSync(EXAMPLE),
  ...[...Deno.readDirSync(VALID)]
    .filter(({ name }) => name.endsWith(".kat"))
    .map(({ name }) => Deno.readFileSync(new URL(name, VALID))),
];

/** What breaks parsers, one way or another. */
const NASTY = [
  ..."{}[],:-?&*!|>'\"%@`#~\t\r\n\0\x1b\x7f\x85\u00a0\u200b\u2028\ufeff",
  "---\n",
  "...\n",
  "? ",
  "- ",
  ": ",
  "<<: ",
  "&a ",
  "*a",
  "!!str ",
  "!!binary ",
  "|\n",
  ">-\n",
  "\n\t",
  "\r\n",
  "__proto__: ",
  "null",
  "~",
  "yes",
  ".nan",
  "-.inf",
  "0x1F",
  "017",
  "1e3",
  "1_000",
  "99999999999999999999",
  "2020-01-01",
  "::/0",
  "010.0.0.0/8",
  "/../",
  "\\x",
  "\\ud800",
  "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
  "🎉",
  "%YAML 1.1\n",
].map((text) => encoder.encode(text));
NASTY.push(
  Uint8Array.of(0xff, 0xfe),
  Uint8Array.of(0xc0, 0x80),
  Uint8Array.of(0xed, 0xa0, 0x80),
);

type Mutation = (bytes: Uint8Array) => Uint8Array;

function splice(
  bytes: Uint8Array,
  { at, remove, insert }: {
    readonly at: number;
    readonly remove: number;
    readonly insert: Uint8Array;
  },
): Uint8Array {
  return Uint8Array.from([
    ...bytes.subarray(0, at),
    ...insert,
    ...bytes.subarray(at + remove),
  ]);
}

function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  while (start < bytes.length) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline + 1;
    lines.push(bytes.subarray(start, end));
    start = end;
  }
  return lines;
}

function joinLines(lines: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(lines.flatMap((line) => [...line]));
}

/** A place in a file of any length. */
const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const nasty = fc.constantFrom(...NASTY);

const flip = fc.record({ at: share, mask: fc.integer({ min: 1, max: 255 }) })
  .map(({ at, mask }): Mutation => (bytes) => {
    const copy = Uint8Array.from(bytes);
    const index = Math.floor(at * bytes.length);
    const byte = copy[index];
    if (byte !== undefined) copy[index] = byte ^ mask;
    return copy;
  });

const remove = fc.record({ at: share, count: fc.integer({ min: 1, max: 40 }) })
  .map(({ at, count }): Mutation => (bytes) =>
    splice(bytes, {
      at: Math.floor(at * bytes.length),
      remove: count,
      insert: new Uint8Array(),
    })
  );

const insert = fc.record({ at: share, token: nasty })
  .map(({ at, token }): Mutation => (bytes) =>
    splice(bytes, {
      at: Math.floor(at * (bytes.length + 1)),
      remove: 0,
      insert: token,
    })
  );

const truncate = share.map((at): Mutation => (bytes) =>
  bytes.subarray(0, Math.floor(at * bytes.length))
);

const moveLine = fc.record({ from: share, to: share, isCopy: fc.boolean() })
  .map(({ from, to, isCopy }): Mutation => (bytes) => {
    const lines = linesOf(bytes);
    const source = Math.floor(from * lines.length);
    const line = lines[source];
    if (line === undefined) return bytes;
    if (!isCopy) lines.splice(source, 1);
    lines.splice(Math.floor(to * (lines.length + 1)), 0, line);
    return joinLines(lines);
  });

/** Puts something else where a word, a number or a value was. */
const replaceToken = fc.record({
  at: share,
  token: fc.oneof(
    nasty,
    fc.string({ unit: "binary", maxLength: 12 }).map((text) =>
      encoder.encode(text)
    ),
    fc.integer({ min: -1, max: 100_000 }).map((number) =>
      encoder.encode(String(number))
    ),
  ),
}).map(({ at, token }): Mutation => (bytes) => {
  // One character for each byte, so that indexes are the same.
  const text = new TextDecoder("latin1").decode(bytes);
  const words = [...text.matchAll(/[^\s:{},]+/g)];
  const word = words[Math.floor(at * words.length)];
  return word === undefined
    ? bytes
    : splice(bytes, { at: word.index, remove: word[0].length, insert: token });
});

const mutated = fc.record({
  file: fc.constantFrom(...goodFiles),
  mutations: fc.array(
    fc.oneof(flip, remove, insert, truncate, moveLine, replaceToken),
    { minLength: 1, maxLength: 4 },
  ),
}).map(({ file, mutations }) =>
  mutations.reduce<Uint8Array>((bytes, mutate) => mutate(bytes), file)
);

Deno.test("parseClusterConfig() gives a configuration or a ConfigError for any mutation of a good file", () => {
  let accepted = 0;
  let refused = 0;

  fc.assert(
    fc.property(mutated, (bytes) => {
      const start = performance.now();
      const outcome = outcomeOf(bytes);
      const elapsedMs = performance.now() - start;

      assert(elapsedMs < PARSE_LIMIT_MS, `${elapsedMs} ms`);
      if (outcome instanceof ConfigError) {
        refused += 1;
        assertPlacesInside(outcome, bytes);
      } else {
        accepted += 1;
        const shown = showClusterConfig(outcome);
        // What is shown is given, be it the file's own or a default.
        assert.deepEqual(
          parseClusterConfig(shown, OPTIONS),
          { ...outcome, isLeaseGiven: true },
        );
      }
    }),
    // On failure fast-check prints the seed and the path to the smallest case.
    { numRuns: RUNS },
  );

  assert.equal(accepted + refused, RUNS);
  // Both ways were gone: the mutations neither miss nor ruin everything.
  assert(accepted > RUNS / 50, `${accepted} accepted`);
  assert(refused > RUNS / 4, `${refused} refused`);
});

function outcomeOf(bytes: Uint8Array) {
  try {
    return parseClusterConfig(bytes, OPTIONS);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

function assertPlacesInside(error: ConfigError, bytes: Uint8Array): void {
  assert(error.problems.length >= 1);
  const lines = new TextDecoder().decode(bytes).split("\n");
  for (const { line, column, path, message } of error.problems) {
    const text = lines[line - 1];
    assert(text !== undefined, `line ${line} of ${lines.length}`);
    assert(column >= 1 && column <= [...text].length + 1, `column ${column}`);
    assert(path.length > 0 && message.length > 0);
  }
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(error.message.replaceAll("\n", ""), /[\0-\x1f\x7f-\x9f]/);
}
