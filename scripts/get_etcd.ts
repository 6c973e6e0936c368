/**
 * Gets an etcd for contributors and CI into `.cache/etcd/bin`, from the first
 * source that works here, and prints that directory's path; `deno task etcd`.
 *
 * `KAT_DEV_ETCD` names the one source to use: `release`, `go` or `distribution`.
 * `--cache DIR` uses another directory than `.cache`. Not part of the agent.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { isEtcdSource, readChoice, SOURCES } from "./etcd_choice.ts";

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
  if (!isEtcdSource(wanted)) {
    say(
      `Cannot get etcd from "${wanted}" in KAT_DEV_ETCD: the sources are ${
        SOURCES.join(", ")
      }`,
    );
    return 2;
  }
  const store = join(cache, "etcd");
  let choice = await readChoice(store, wanted);
  if (choice === undefined) {
    // Only now: what is needed to fetch takes longer to load than to look.
    const { getEtcd } = await import("./etcd_sources.ts");
    choice = await getEtcd(store, { wanted, say });
  }
  if (choice === undefined) return 1;
  say(`etcd for development: ${choice.what}`);
  await Deno.stdout.write(new TextEncoder().encode(join(store, "bin") + "\n"));
  return 0;
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));
}
