/**
 * Gets an etcd, builds the one file, runs every test on it, and says the counts
 * on its last line: `N passed, N failed, N skipped`. With `--with-chaos` first,
 * a short fault-injection run follows. Other arguments go to `deno test`.
 *
 * @module
 */

import { join } from "node:path";
import { denoTest, ROOT, runDeno } from "./deno_test.ts";
import { readAudit, readReviewed } from "./permission_audit.ts";

/** Lists what the agent asked Deno for and no review has allowed; 1 if there is any. */
async function compareAudit(directory: string): Promise<number> {
  const uses = await readAudit(directory);
  if (uses.size === 0 && chosen.length === 0) {
    say(
      "permissions: no agent reported what it asked for, so nothing is known",
    );
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
async function runChaos(
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const code = await runDeno(
    ["run", "-A", "--frozen", "tests/chaos/chaos.ts", "--ci"],
    env,
  );
  return code === 0 ? 0 : 1;
}

function say(text: string): void {
  // deno-lint-ignore no-console -- the result of this program
  console.log(text);
}

const withChaos = Deno.args[0] === "--with-chaos";
const chosen = Deno.args.slice(withChaos ? 1 : 0);
for (const script of ["get_etcd.ts", "build.ts"]) {
  const code = await runDeno(["run", "--frozen", "-A", `scripts/${script}`]);
  if (code !== 0) Deno.exit(code);
}
const scratch = await Deno.makeTempDir({ prefix: "kat-tests-" });
try {
  const audit = join(scratch, "audit");
  // Agents of other users write there, too.
  await Deno.mkdir(audit);
  // The one file is tested, and unpacks to nowhere else on this machine.
  const tested = {
    KAT_TEST_AGENT: join(ROOT, "dist", "kat-agent"),
    KAT_CACHE_DIR: join(scratch, "cache"),
  };
  const tests = await denoTest(chosen, {
    scratch,
    env: { ...tested, KAT_TEST_AUDIT: audit },
  });
  // The audit counts as one more test, and so does the fault-injection run.
  const more = [
    await compareAudit(audit),
    ...(withChaos ? [await runChaos(tested)] : []),
  ];
  const bad = more.reduce((sum, count) => sum + count);
  const failed = tests.failed + bad;
  const passed = tests.passed + more.length - bad;
  say(`${passed} passed, ${failed} failed, ${tests.skipped} skipped`);
  if (failed > 0) Deno.exitCode = 1;
} finally {
  await Deno.remove(scratch, { recursive: true });
}
