/**
 * Which IPv4 networks this machine has routes to: as the kernel lists them on
 * Linux, of all its routing tables, else as `netstat` prints them; with the
 * networks of its interfaces, which can be read everywhere.
 *
 * @module
 */

import { runScript } from "./run_script.ts";

/** Prints the routes of all tables, or where there is no such list, those of the main one. */
const LIST_ON_LINUX = "cat /proc/net/fib_trie || cat /proc/net/route";
const LIST_ELSEWHERE = "netstat -rn -f inet";

/**
 * The destinations of this machine's routes, as `10.8.0.0/16`; the default
 * route is `0.0.0.0/0`. What cannot be read is missing.
 */
export async function readRoutes(): Promise<readonly string[]> {
  const script = Deno.build.os === "linux" ? LIST_ON_LINUX : LIST_ELSEWHERE;
  const printed = await runScript(script).catch(() => "");
  return [...parseRoutes(printed), ...interfaceNetworks()];
}

/** Reads what one of the scripts has printed. */
export function parseRoutes(printed: string): string[] {
  if (printed.startsWith("Iface")) return parseRouteTable(printed);
  return /^ *\|-- /m.test(printed)
    ? parseFibTrie(printed)
    : parseNetstat(printed);
}

function interfaceNetworks(): string[] {
  try {
    return Deno.networkInterfaces()
      .filter(({ family }) => family === "IPv4")
      .map(({ cidr }) => cidr);
  } catch {
    return [];
  }
}

/** `/proc/net/fib_trie`: an address, and below it the lengths of its routes. */
function parseFibTrie(text: string): string[] {
  const routes: string[] = [];
  let address = "";
  for (const line of text.split("\n")) {
    address = /^ *\|-- ([\d.]+)$/.exec(line)?.[1] ?? address;
    const prefix = /^ *\/(\d+) /.exec(line)?.[1];
    if (prefix !== undefined) routes.push(`${address}/${prefix}`);
  }
  return routes;
}

/** `/proc/net/route`: hexadecimal numbers, the last octet first. */
function parseRouteTable(text: string): string[] {
  return text.split("\n").slice(1).flatMap((line) => {
    const [, destination = "", , , , , , mask = ""] = line.split("\t");
    if (!/^[\dA-F]{8}$/i.test(destination)) return [];
    const octets = destination.match(/../g)?.reverse() ?? [];
    const bits = parseInt(mask, 16).toString(2).replaceAll("0", "");
    return [
      `${octets.map((hex) => parseInt(hex, 16)).join(".")}/${bits.length}`,
    ];
  });
}

/** `netstat -rn` of BSD: octets that are zero at the end are left out, and a usual length as well. */
function parseNetstat(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [, start, length] = /^(\d+(?:\.\d+){0,3})(?:\/(\d+))?\s/.exec(line) ??
      [];
    if (start === undefined) return [];
    const octets = start.split(".");
    const address = [...octets, "0", "0", "0"].slice(0, 4).join(".");
    return [`${address}/${length ?? octets.length * 8}`];
  });
}
