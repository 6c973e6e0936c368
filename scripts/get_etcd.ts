/**
 * Gets an etcd for contributors and CI into `.cache/etcd/bin`, by whatever way
 * works here, and prints that directory's path; `deno task etcd`.
 *
 * `KAT_DEV_ETCD` names the one way to use: `release`, `go` or `distribution`.
 * `--cache DIR` uses another directory than `.cache`. Not part of the agent.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { isWanted, readChoice, SOURCES } from "./etcd_choice.ts";

if (import.meta.main) Deno.exitCode = await main();

async function main(): Promise<number> {
  const repository = fileURLToPath(new URL("..", import.meta.url));
  let cache: string;
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: { cache: { type: "string" } },
    });
    cache = resolve(values.cache ?? join(repository, ".cache"));
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 2;
  }
  const wanted = Deno.env.get("KAT_DEV_ETCD") || "any";
  if (!isWanted(wanted)) {
    say(
      `Cannot get etcd by the way "${wanted}" in KAT_DEV_ETCD: there are ${
        SOURCES.join(", ")
      }`,
    );
    return 2;
  }
  const store = join(cache, "etcd");
  let got = await readChoice(store, wanted);
  if (got === undefined) {
    // Only now: what is needed to fetch takes longer to load than to look.
    const { getEtcd } = await import("./etcd_sources.ts");
    got = await getEtcd(store, { wanted, say });
  }
  if (got === undefined) return 1;
  say(`etcd for development: ${got.what}`);
  await Deno.stdout.write(new TextEncoder().encode(join(store, "bin") + "\n"));
  return 0;
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));
}
