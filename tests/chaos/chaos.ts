/**
 * A fault-injection run: real agents, real etcd, recorded traffic, faults with
 * proof, and checkers of the recorded history. `deno task chaos`.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { versionText } from "../../src/etcd/etcd_version.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { type ChaosOptions, HELP, parseOptions } from "./chaos_options.ts";
import { run } from "../machine/command_output.ts";
import { failuresOf, showResult } from "./show_result.ts";
import { runTopology } from "./run_topology.ts";
import { currentSandbox, runInSandbox, stopSignal } from "./sandbox.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";

const ROOT = fileURLToPath(new URL("../../.cache/chaos", import.meta.url));

/** Writes a line for people. */
function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** All topologies that were asked for, one after the other; the exit code. */
async function runAll(options: ChaosOptions): Promise<number> {
  const sandbox = currentSandbox() ?? "loopback";
  // In a new network namespace even the loopback is down.
  if (sandbox === "namespaces") await run("ip", "link", "set", "lo", "up");
  const signal = stopSignal();
  const startNs = monotonicNs();
  const log = (line: string) => {
    const seconds = ((monotonicNs() - startNs) / 1e9).toFixed(1);
    const which = options.atOnce ? `${options.members} of etcd: ` : "";
    print(`${seconds.padStart(7)} ${which}${line}`);
  };
  let failed = false;
  for (const members of options.members) {
    const name = `${
      versionText(etcdBinaries.version)
    }-${members}-${options.seed}`;
    const outputDir = `${options.outputDir ?? ROOT}/${name}`;
    await Deno.remove(outputDir, { recursive: true }).catch(() => {});
    log(`a cluster with ${members} of etcd, seed ${options.seed}`);
    const result = await runTopology({
      members,
      seed: options.seed,
      faults: options.faults,
      ms: options.minutes * 60_000,
      perSecond: options.perSecond,
      calmMs: options.calmMs,
      sandbox,
      outputDir,
      log,
      signal,
    });
    const failures = failuresOf(result);
    const text = showResult(result, {
      etcd: versionText(etcdBinaries.version),
      host: `${Deno.build.target} ${Deno.osRelease()}`,
      sandbox,
    });
    const verdict = failures.length === 0
      ? ["passed"]
      : ["FAILED", ...failures.map((failure) => `- ${failure}`)];
    const report = ["", text, "", ...verdict, ""].join("\n");
    print(report);
    await Deno.writeTextFile(`${outputDir}/report.txt`, report);
    failed ||= failures.length > 0;
    if (signal.aborted) return 130;
  }
  return failed ? 1 : 0;
}

/** The runs in sandboxes of their own; the worst exit code. */
async function runOutside(
  { atOnce, members, seed }: ChaosOptions,
): Promise<number> {
  // The run inside makes the same choices.
  const args = [...Deno.args, `--seed=${seed}`];
  const runs = atOnce
    ? members.map((number) => [...args, `--etcd=${number}`])
    : [args];
  const codes = await Promise.all(
    runs.map((args) => runInSandbox(new URL(import.meta.url), args)),
  );
  return Math.max(...codes);
}

if (import.meta.main) {
  const options = parseOptions(Deno.args);
  if (typeof options === "string") {
    print(`${options}\n\n${HELP}`);
    Deno.exit(2);
  }
  if (options.help) {
    print(HELP);
    Deno.exit(0);
  }
  Deno.exit(
    currentSandbox() === undefined
      ? await runOutside(options)
      : await runAll(options),
  );
}
