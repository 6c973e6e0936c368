/**
 * What the first attack did not run: a cluster.kat that means something else to
 * another reader of YAML. A file that is accepted means the same to both.
 *
 * @module
 */

import { deepStrictEqual } from "node:assert/strict";
import { parseClusterConfig } from "../../src/config/parse_cluster_config.ts";

const OPTIONS = { file: "cluster.kat", defaultDataDir: "/var/lib/kat" };

/** Reads texts by YAML 1.1, as most tools do; `null` for what is no YAML. */
const READER = `
import json, sys
import yaml
def read(text):
    try:
        documents = list(yaml.safe_load_all(text))
        return documents[0] if len(documents) == 1 else None
    except Exception:
        return None
print(json.dumps([read(text) for text in json.load(sys.stdin)], default=str))
`;

async function readElsewhere(
  texts: readonly string[],
): Promise<readonly unknown[]> {
  const child = new Deno.Command("python3", {
    args: ["-c", READER],
    env: { PYTHONUTF8: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(texts)));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("python3 has no module yaml");
  return JSON.parse(new TextDecoder().decode(stdout));
}

const whyNot = await readElsewhere([]).then(() => undefined, String);
if (whyNot !== undefined) {
  const text = `\n*** NOT TESTED: other readers of YAML, because ${whyNot}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** The file with some lines in place of the usual ones. */
function withSpec(...lines: readonly string[]): string {
  return [
    "apiVersion: kat.dws.rip/v1alpha1",
    "kind: ClusterConfiguration",
    "metadata:",
    "  name: test",
    "spec:",
    "  clusterCIDR: 10.100.0.0/16",
    "  serviceCIDR: 10.200.0.0/16",
    ...lines.map((line) => `  ${line}`),
    "",
  ].join("\n");
}

const NUMBERS = [
  "010",
  "0o10",
  "0x10",
  "0b11",
  "1_000",
  "1:30",
  "9116.0",
  "9.1e3",
  "+9116",
  "!!int 9116",
  "!!str 9116",
  "&a 9116",
  "9116 # a comment",
  "9116#none",
  "'9116'",
  '"9116"',
  '"91\\x316"',
  '"91\\\n    16"',
  "|\n    9116",
  ">-\n    9116",
  "９１１６",
  "9116\t",
  "9116\u0085",
  "9116\u2028",
  "9116\u00a0",
  "9116 \u0085  apiPort: 1",
  "9116 # x\u0085  apiPort: 1",
  "9116 # x\u2028  apiPort: 1",
  "9116 # x\r  apiPort: 1",
  "~",
  "",
  "[9116]",
  "{}",
];
const DOMAINS = [
  "yes",
  "on",
  "no.example",
  "null",
  "1.5",
  "1e3",
  "2026-01-01",
  "2026-01-01.example",
  "1.2",
  "1.2.3",
  "0b1",
  "a.b#c",
  "a.b #c",
  "'a.b'",
  '"a\\u002eb"',
  '"a.b\\0"',
  "a.b: c",
  "- a.b",
  "? a.b",
  "a.b\n    c",
  "%a.b",
  "@a.b",
  "`a.b`",
  "a.b\u200b",
];
const PATHS = [
  "/srv/a b",
  "/srv/a #b",
  "/srv/a: b",
  "/srv/a:b",
  "'/srv/a''b'",
  '"/srv/a\\tb"',
  '"/srv/\\x61"',
  '"/srv/a\\\n      b"',
  ">\n    /srv/a\n    b",
  ">-\n    /srv/a",
  "|-\n    /srv/a",
  "/srv/a\n    b",
  "/srv/%2e%2e/etc",
  "/srv/{a}",
  "/srv/a\\b",
];
const STRUCTURES = [
  withSpec("agentPort: 1", "agentPort: 2"),
  withSpec("<<: {agentPort: 7}"),
  withSpec("'agentPort': 7", "agentPort: 8"),
  withSpec("? agentPort\n  : 7"),
  withSpec('"agent\\x50ort": 7'),
  withSpec("agentPort : 7"),
  withSpec("agentPort:\t7"),
  withSpec("\tagentPort: 7"),
  withSpec("etcd: {quotaBackendBytes: 16777216, quotaBackendBytes: 33554432}"),
  withSpec("etcd: {heartbeatIntervalMs: 0100}"),
  withSpec("etcd:\n  agentPort: 7"),
  withSpec("etcd: &x {version: 3.6.14}"),
  withSpec("etcd:\n    version: 3.6.14 # c\n    # d"),
  withSpec("etcd: {version: 3.6.14,}"),
  withSpec("etcd: {version: '3.6.14'}"),
  withSpec("etcd: {binary: /a, }"),
  withSpec("etcd: {binary: /a#b}"),
  withSpec("etcd: {mirror: http://a/b#c}"),
  withSpec("etcd: {mirror: http://a/b,sha256: x}"),
  `%YAML 1.1\n---\n${withSpec("agentPort: 010")}`,
  `---\n${withSpec()}...\n---\n${withSpec("agentPort: 7")}`,
  `---\n${withSpec()}...\n`,
  `\ufeff${withSpec()}`,
  `${withSpec()}\0`,
  withSpec().replaceAll("\n", "\r\n"),
  withSpec().replaceAll("\n", "\r"),
  `${withSpec()}# \u0000`,
  JSON.stringify({
    apiVersion: "kat.dws.rip/v1alpha1",
    kind: "ClusterConfiguration",
    metadata: { name: "test" },
    spec: { clusterCIDR: "10.100.0.0/16", serviceCIDR: "10.200.0.0/16" },
  }),
];

const NAMES = [
  ...["no", "on", "y", "null", "n1", "0x1", "1e3", "12", "1-1", "0b11"],
  ...["1-1-1", "2026-1-1", "2026-01-01", "0o7", "07", "1e-3", "inf", "nan"],
];

/** All that two readers are asked. */
const TEXTS = [
  ...NUMBERS.map((value) => withSpec(`agentPort: ${value}`)),
  ...DOMAINS.map((value) => withSpec(`clusterDomain: ${value}`)),
  ...PATHS.map((value) => withSpec(`volumeBasePath: ${value}`)),
  ...NAMES.map((name) => withSpec().replace("name: test", `name: ${name}`)),
  ...STRUCTURES,
];

Deno.test(
  "a cluster.kat that is accepted means the same to a reader of YAML 1.1",
  {
    ignore: whyNot !== undefined,
  },
  async () => {
    const elsewhere = await readElsewhere(TEXTS);
    const differences: unknown[] = [];
    for (const [index, text] of TEXTS.entries()) {
      const own = parsed(text);
      const other = elsewhere[index] as Tree | null;
      // What one of them refuses means nothing to it.
      if (own === undefined || other === null) continue;
      if (agree(own, other)) continue;
      differences.push({ text, other });
    }

    deepStrictEqual(differences, []);
  },
);

/** What a reader makes of a file. */
interface Tree {
  readonly metadata?: { readonly name?: unknown };
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** As this program reads a file; `undefined` if it refuses it. */
function parsed(text: string): Tree | undefined {
  try {
    const { name, spec } = parseClusterConfig(text, OPTIONS);
    return { metadata: { name }, spec: { ...spec } };
  } catch {
    return undefined;
  }
}

const DEFAULTS = parsed(withSpec())?.spec ?? {};

/** Whether both say the same: what the file gives, and defaults for the rest. */
function agree(own: Tree, other: Tree): boolean {
  const names = new Set(Object.keys({ ...own.spec, ...other.spec }));
  return same(own.metadata?.name, other.metadata?.name) &&
    [...names].every((name) =>
      same(own.spec?.[name], other.spec?.[name] ?? DEFAULTS[name])
    );
}

function same(own: unknown, other: unknown): boolean {
  const isMapping = typeof own === "object" && own !== null &&
    typeof other === "object" && other !== null;
  if (!isMapping) return String(own) === String(other);
  const [values, others] = [own, other].map((one) =>
    new Map<string, unknown>(Object.entries(one))
  );
  const names = new Set([...values?.keys() ?? [], ...others?.keys() ?? []]);
  return [...names].every((name) => same(values?.get(name), others?.get(name)));
}
