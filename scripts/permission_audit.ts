/**
 * Compares what kat-agent asked Deno for during the tests with a list that
 * people have reviewed: what is new fails.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** One permission, as the list names it: `read <data>`. */
export type Use = string;

/** The reviewed list, which also says why. */
export const REVIEWED: URL = new URL("./permissions.txt", import.meta.url);

/** Reads Deno's audit files in a directory; each use once. */
export async function readAudit(directory: string): Promise<Set<Use>> {
  const uses = new Set<Use>();
  for await (const { name } of Deno.readDir(directory)) {
    const text = await Deno.readTextFile(join(directory, name));
    for (const line of text.split("\n")) {
      // A process that was killed may leave half a line.
      if (!line.endsWith("}")) continue;
      const { permission, value } = JSON.parse(line);
      uses.add(`${permission} ${place(permission, String(value ?? "all"))}`);
    }
  }
  return uses;
}

/** Reads the list: a use on each line, and reasons after `#`. */
export async function readReviewed(): Promise<Set<Use>> {
  const text = await Deno.readTextFile(REVIEWED);
  return new Set(
    text.split("\n")
      .map((line) => line.replace(/#.*/, "").trim())
      .filter((line) => line !== ""),
  );
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Where a test has its files, its agent's and what that has unpacked. */
const TEMPORARY = /^(?:\/tmp|\/var\/folders|\/var\/tmp)\//;

/** What a value stands for, so that two machines and two runs say the same. */
function place(permission: string, value: string): string {
  if (permission === "net") return network(value);
  if (permission === "run") return value.replace(/^.*\//, "");
  if (permission !== "read" && permission !== "write") return value;
  if (value.startsWith("\0")) return "<abstract socket>";
  if (TEMPORARY.test(value)) return "<test>";
  if (value.startsWith(ROOT)) return "<checkout>";
  if (ROOT.startsWith(value.replace(/\/?$/, "/"))) {
    return "<above the checkout>";
  }
  if (!value.startsWith("/")) return "<working directory>";
  // What tests name on the command line to see it refused.
  return /^[\x21-\x7e]{1,200}$/.test(value) ? value : "<nonsense>";
}

function network(value: string): string {
  if (value.startsWith("unix:")) return "unix socket";
  const url = URL.parse(value.includes("://") ? value : `tcp://${value}`);
  const host = url?.hostname ?? value;
  if (host === "[::1]" || host === "localhost" || host.startsWith("127.")) {
    return "loopback";
  }
  return host;
}
