import assert from "node:assert/strict";

import { ConfigError } from "./config_error.ts";
import { parseClusterConfig } from "./parse_cluster_config.ts";
import { SPEC_DEFAULTS } from "./spec_rules.ts";

const TESTDATA = new URL("../../tests/testdata/", import.meta.url);
const EXAMPLE = new URL("../../examples/cluster.kat", import.meta.url);
const OPTIONS = { file: "cluster.kat", defaultDataDir: "/var/lib/kat" };

const MINIMAL = `apiVersion: kat.dws.rip/v1alpha1
kind: ClusterConfiguration
metadata:
  name: demo
spec:
  clusterCIDR: 10.100.0.0/16
  serviceCIDR: 10.200.0.0/16
`;

function parse(source: Uint8Array | string) {
  return parseClusterConfig(source, OPTIONS);
}

function problemsOf(source: Uint8Array | string) {
  try {
    parse(source);
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    return error.problems;
  }
  throw new assert.AssertionError({ message: "Accepted what is wrong" });
}

/** The names of a folder's `.kat` files; each one has a file beside it, and no other file is there. */
function casesIn(folder: string, expectedSuffix: string): string[] {
  const names = [...Deno.readDirSync(new URL(folder, TESTDATA))]
    .map(({ name }) => name).sort();
  const cases = names.filter((name) => name.endsWith(".kat"));
  const expected = cases.flatMap((name) => [
    name,
    name.replace(/\.kat$/, expectedSuffix),
  ]);
  assert.deepEqual(names, expected.sort());
  return cases;
}

Deno.test("parseClusterConfig() reads every file of testdata/valid as written beside it", async (t) => {
  const cases = casesIn("valid/", ".json");
  assert(cases.length >= 15);
  for (const name of cases) {
    await t.step(name, async () => {
      const url = new URL(`valid/${name}`, TESTDATA);
      const json = await Deno.readTextFile(
        new URL(url.href.replace(/\.kat$/, ".json")),
      );

      const config = parse(await Deno.readFile(url));

      assert.deepEqual(config, JSON.parse(json));
    });
  }
});

Deno.test("parseClusterConfig() refuses every file of testdata/invalid with the message beside it", async (t) => {
  const cases = casesIn("invalid/", ".expected");
  assert(cases.length >= 60);
  for (const name of cases) {
    await t.step(name, async () => {
      const url = new URL(`invalid/${name}`, TESTDATA);
      const source = await Deno.readFile(url);
      const expected = await Deno.readTextFile(
        new URL(url.href.replace(/\.kat$/, ".expected")),
      );

      assert.throws(
        () => parseClusterConfig(source, { ...OPTIONS, file: name }),
        (error) => {
          assert(error instanceof ConfigError, String(error));
          assert.equal(`${error.message}\n`, expected);
          assert.equal(error.exitCode, 78);
          return true;
        },
      );
    });
  }
});

Deno.test("parseClusterConfig() finds in examples/cluster.kat what the defaults are", async () => {
  const source = await Deno.readFile(EXAMPLE);

  const { name, spec } = parseClusterConfig(source, {
    file: "examples/cluster.kat",
    defaultDataDir: "/home/user/.local/share/kat",
  });

  assert.equal(name, "example");
  assert.deepEqual(spec, {
    ...SPEC_DEFAULTS,
    clusterCIDR: "10.100.0.0/16",
    serviceCIDR: "10.200.0.0/16",
    dataDir: "/home/user/.local/share/kat",
    etcd: {},
  });
});

Deno.test("parseClusterConfig() accepts examples/cluster.kat with its commented fields switched on", async () => {
  const text = await Deno.readTextFile(EXAMPLE);
  const fields = text.replaceAll(/^ {2}# ((?: {2})?[a-z]\w+:( |$))/gm, "  $1");
  assert.notEqual(fields, text);

  const { spec } = parse(fields);

  assert.equal(spec.etcd.binary, "/usr/bin/etcd");
  assert.equal(spec.dataDir, "/var/lib/kat");
});

Deno.test("parseClusterConfig() wants dataDir only when neither file nor default has one", () => {
  const options = { file: "cluster.kat", defaultDataDir: undefined };

  assert.throws(
    () => parseClusterConfig(MINIMAL, options),
    (error) =>
      error instanceof ConfigError && error.problems.length === 1 &&
      error.problems[0]?.path === "spec.dataDir",
  );
  const config = parseClusterConfig(`${MINIMAL}  dataDir: /srv/kat\n`, options);
  assert.equal(config.spec.dataDir, "/srv/kat");
});

Deno.test("parseClusterConfig() leaves a default data directory to the node", () => {
  const { spec } = parseClusterConfig(`${MINIMAL}  backupPath: /srv\n`, {
    file: "cluster.kat",
    defaultDataDir: "/srv/kat",
  });

  assert.equal(spec.dataDir, "/srv/kat");
});

Deno.test("parseClusterConfig() reads text as it reads bytes", () => {
  assert.deepEqual(parse(MINIMAL), parse(new TextEncoder().encode(MINIMAL)));
  assert.deepEqual(parse(`\uFEFF${MINIMAL}`), parse(MINIMAL));
});

Deno.test("parseClusterConfig() does not touch prototypes for __proto__", () => {
  problemsOf(`${MINIMAL}  __proto__: {polluted: yes}\n`);

  assert.equal("polluted" in {}, false);
});

Deno.test("parseClusterConfig() counts columns in characters, not in UTF-16 units", () => {
  const [problem] = problemsOf(
    MINIMAL.replace("name: demo", '"𝒩𝒩": 1, name: demo').replace(
      "metadata:\n  ",
      "metadata: {",
    ).replace("demo\n", "Demo}\n"),
  ).filter(({ path }) => path === "metadata.name");

  assert.deepEqual([problem?.line, problem?.column], [3, 27]);
});

Deno.test("parseClusterConfig() says how many problems it leaves out after a hundred", () => {
  const unknown = Array.from({ length: 120 }, (_, index) => `x${index}: 1\n`);

  const problems = problemsOf(unknown.join(""));

  assert.equal(problems.length, 101);
  assert.match(problems.at(-1)?.message ?? "", /^24 more problems/);
});

Deno.test("parseClusterConfig() accepts a file of exactly 1 MiB and refuses one byte more", () => {
  const padding = (1024 * 1024) - MINIMAL.length - 1;
  const full = `${MINIMAL}#${"x".repeat(padding)}`;

  assert.equal(parse(full).name, "demo");
  assert.match(problemsOf(`${full}x`)[0]?.message ?? "", /more than 1048576/);
});

Deno.test("parseClusterConfig() names the limit that a file goes beyond", () => {
  const beyond: readonly (readonly [text: string, limit: RegExp])[] = [
    [`x: [${"1,".repeat(10_000)}]\n`, /more than 10000 keys and values/],
    [`x: "${"a".repeat(65_536)}"\n`, /more than 65536 characters/],
    ["\n".repeat(100_000), /more than 100000 tokens/],
    [`x: ${"[".repeat(32)}${"]".repeat(32)}\n`, /more than 32 levels/],
  ];
  for (const [text, limit] of beyond) {
    const problems = problemsOf(MINIMAL + text);

    assert.equal(problems.length, 1);
    assert.match(problems[0]?.message ?? "", limit);
  }
});

Deno.test("parseClusterConfig() looks at fields up to its limits", () => {
  const within = [
    `x: [${"1,".repeat(9_900)}]\n`,
    `x: "${"a".repeat(65_000)}"\n`,
    `x: ${"[".repeat(31)}${"]".repeat(31)}\n`,
  ];
  for (const text of within) {
    const problems = problemsOf(MINIMAL + text);

    assert.match(problems[0]?.message ?? "", /^found an unknown field/);
  }
  assert.equal(parse(MINIMAL + "\n".repeat(99_000)).name, "demo");
});

Deno.test("parseClusterConfig() ends soon for files made to keep it busy", async (t) => {
  const fill = (text: string) =>
    text.repeat(Math.floor(1024 * 1024 / text.length));
  const deep = Array.from(
    { length: 1000 },
    (_, index) => `${" ".repeat(index)}a:\n`,
  );
  const busy: Readonly<Record<string, string>> = {
    "open lists": fill("["),
    "open mappings": fill("{a: "),
    "list entries on a line": fill("- "),
    "indented mappings": deep.join(""),
    "keys": fill("a:\n"),
    "empty keys": fill(":\n"),
    "empty lists": fill("[]"),
    "commas": `[${fill(",").slice(2)}`,
    "anchors": fill("&a "),
    "aliases": fill("*a "),
    "tags": fill("!a "),
    "directives": fill("%a\n"),
    "documents": fill("---\n"),
    "document ends": fill("...\n"),
    "explicit keys": fill("? "),
    "bad escapes": `"${fill("\\x").slice(2)}`,
    "an open quote": `"${fill("a\n ").slice(2)}`,
    "quotes": fill("'a' "),
    "a block scalar": `a: |\n${fill(" x\n").slice(8)}`,
    "a long plain value": fill("a\n"),
    "empty lines": fill("\n"),
    "spaces": fill(" \n"),
    "comments": fill("#\n"),
    "tabs": fill("\n\ta"),
    "tabs on a line": fill("\t"),
    "invisible characters": fill("\u200b").slice(0, 300_000),
    "NULs": fill("\0"),
    "half of a mapping": fill("a: b: "),
  };
  for (const [name, text] of Object.entries(busy)) {
    await t.step(name, () => {
      const start = performance.now();
      const problems = problemsOf(text);
      const elapsedMs = performance.now() - start;

      assert(problems.length >= 1);
      // The slowest take 0.4 s on a small machine; without the limits, minutes.
      assert(elapsedMs < 4_000, `${elapsedMs} ms`);
    });
  }
});
