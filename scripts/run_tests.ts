/**
 * Gets an etcd, builds the one file, runs every test on it, and says the counts
 * on its last line: `N passed, N failed, N skipped`. With `--with-chaos` first,
 * a short storm of faults follows. Other arguments go to `deno test`.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readAudit, readReviewed } from "./permission_audit.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What the tests are to run. */
const TESTED = { KAT_TEST_AGENT: join(ROOT, "dist", "kat-agent") };

async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env,
    stdin: "null",
  }).spawn().status;
  return code;
}

/** The counts of a JUnit report, a test with steps counting once. */
function counts(report: string): { tests: number; bad: number; skip: number } {
  const attribute = (name: string) =>
    [...report.matchAll(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`, "g"))]
      .reduce((sum, [, count]) => sum + Number(count), 0);
  return {
    tests: attribute("tests"),
    bad: attribute("failures") + attribute("errors"),
    skip: attribute("disabled"),
  };
}

/** Says what the agent asked Deno for that nobody has reviewed; 1 if there is any. */
async function judgeAudit(directory: string): Promise<number> {
  const uses = await readAudit(directory);
  if (uses.size === 0 && chosen.length === 0) {
    say("permissions: no agent told what it asked for, so nothing is known");
    return 1;
  }
  const reviewed = await readReviewed();
  const grown = [...uses].filter((use) => !reviewed.has(use)).sort();
  say(
    grown.length === 0
      ? `permissions: ${uses.size} kinds of use, all reviewed`
      : `permissions: not in scripts/permissions.txt:\n  ${grown.join("\n  ")}`,
  );
  return grown.length === 0 ? 0 : 1;
}

/** Both topologies under faults, for some minutes; 1 if a promise was broken. */
async function runChaos(): Promise<number> {
  const code = await run(
    ["run", "-A", "--frozen", "tests/chaos/chaos.ts", "--ci"],
    TESTED,
  );
  return code === 0 ? 0 : 1;
}

function say(text: string): void {
  // deno-lint-ignore no-console -- the result of this program
  console.log(text);
}

const withChaos = Deno.args[0] === "--with-chaos";
const chosen = Deno.args.slice(withChaos ? 1 : 0);
for (
  const step of [
    ["run", "--frozen", "-A", "scripts/get_etcd.ts"],
    ["run", "--frozen", "-A", "scripts/build.ts"],
  ]
) {
  const code = await run(step);
  if (code !== 0) Deno.exit(code);
}
const scratch = await Deno.makeTempDir({ prefix: "kat-tests-" });
try {
  const report = join(scratch, "report.xml");
  const audit = join(scratch, "audit");
  // Agents of other users write there, too.
  await Deno.mkdir(audit);
  const code = await run(
    [
      "test",
      "-A",
      "--frozen",
      `--junit-path=${report}`,
      ...chosen,
    ],
    {
      ...TESTED,
      KAT_TEST_AUDIT: audit,
      KAT_CACHE_DIR: join(scratch, "cache"),
    },
  );
  const { tests, bad, skip } = counts(await Deno.readTextFile(report));
  const failures = [
    code !== 0 && bad === 0 ? 1 : bad,
    await judgeAudit(audit),
    ...(withChaos ? [await runChaos()] : []),
  ];
  const failed = failures.reduce((sum, count) => sum + count);
  // What was asked of Deno counts as one more, and so does the storm.
  const passed = tests + failures.length - 1 - failed - skip;
  say(`${passed} passed, ${failed} failed, ${skip} skipped`);
  if (failed > 0) Deno.exitCode = 1;
} finally {
  await Deno.remove(scratch, { recursive: true });
}
