/**
 * Where a process listens, from the kernel's tables in `/proc`.
 *
 * @module
 */

import { openFiles } from "./processes.ts";

/** The kernel's number for a socket that listens. */
const LISTEN = "0A";

/**
 * The TCP addresses that process `pid` listens on, sorted, as
 * `127.0.0.1:2379`; an IPv6 address as the 32 digits that the kernel shows.
 */
export async function listenersOf(pid: number): Promise<string[]> {
  const files = await openFiles(pid);
  const found: string[] = [];
  for (const table of ["tcp", "tcp6"]) {
    const text = await Deno.readTextFile(`/proc/${pid}/net/${table}`)
      .catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      const [, local = "", , state, , , , , , inode = ""] = fields;
      if (state === LISTEN && files.includes(`socket:[${inode}]`)) {
        found.push(addressOf(local));
      }
    }
  }
  return found.sort();
}

/** `0100007F:094B` is 127.0.0.1:2379 on machines whose lowest byte comes first. */
function addressOf(local: string): string {
  const [address = "", port = ""] = local.split(":");
  const host = address.length === 8
    ? address.match(/../g)?.reverse().map((byte) => parseInt(byte, 16))
      .join(".")
    : `[${address}]`;
  return `${host}:${parseInt(port, 16)}`;
}
