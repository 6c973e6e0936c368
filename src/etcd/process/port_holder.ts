/**
 * Whether etcd's ports are free, and who has them if not: asked before etcd
 * starts, because etcd itself says neither which setting nor which program.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import { KatError } from "../../base/errors.ts";
import {
  listTcpSockets,
  processesByOpenFile,
  programName,
} from "../../base/process_table.ts";

/** A port that etcd is going to listen on. */
export interface WantedPort {
  /** Who is going to connect to it. */
  readonly purpose: "client" | "peer";
  /** The IP address to listen on, without brackets. */
  readonly address: string;
  /** The port. */
  readonly port: number;
  /** Where the port is set, as `spec.etcdClientPort`. */
  readonly setting: string;
}

/**
 * Listens on each port for a moment. Another program may still take one before
 * etcd does; etcd then exits and its log says so.
 *
 * @throws {KatError} for the first that cannot be listened on: by whom it is
 * taken where that can be known, or that the address is not this machine's, or
 * that the port needs a right.
 */
export async function assertPortsFree(
  ports: readonly WantedPort[],
): Promise<void> {
  for (const wanted of ports) {
    try {
      Deno.listen({ hostname: wanted.address, port: wanted.port }).close();
    } catch (error) {
      throw await explain(wanted, error);
    }
  }
}

async function explain(wanted: WantedPort, cause: unknown): Promise<KatError> {
  const { purpose, port, address, setting } = wanted;
  const what = `Cannot listen on ${
    address.includes(":") ? `[${address}]` : address
  }:${port} for etcd's ${purpose}s`;
  if (cause instanceof Deno.errors.AddrInUse) {
    return new KatError(
      `${what}: the port is taken by ${await holderOf(wanted)}`,
      {
        cause,
        hint: `End that program, or set ${setting} to another port`,
      },
    );
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return new KatError(`${what}: this machine does not have that address`, {
      cause,
      hint:
        "Give --advertise-address an address that `ip address` or `ifconfig` shows",
    });
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return new KatError(`${what}: ports below 1024 need a special right`, {
      cause,
      hint: `Set ${setting} to a port from 1024 on, or run kat-agent as root`,
    });
  }
  return new KatError(`${what}: ${String(cause)}`, {
    cause,
    hint: `Check --advertise-address and ${setting}`,
  });
}

async function holderOf({ address, port }: WantedPort): Promise<string> {
  for (const inode of await listeningInodes(address, port)) {
    for await (const holder of processesByOpenFile(`socket:[${inode}]`)) {
      return `process ${holder.pid} (${programName(holder)})`;
    }
  }
  return "another program";
}

const LISTENING = "0A";

/** The sockets that listen on `port` of the address or of all addresses. */
async function listeningInodes(
  address: string,
  port: number,
): Promise<string[]> {
  const inodes: string[] = [];
  for (const line of (await listTcpSockets()).split("\n")) {
    // "0: 0100007F:094B 00000000:0000 0A … uid timeout inode …"
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [host = "", hexPort = ""] = local.split(":");
    if (
      state === LISTENING && inode !== undefined &&
      parseInt(hexPort, 16) === port &&
      (/^0+$/.test(host) || host === procAddress(address))
    ) {
      inodes.push(inode);
    }
  }
  return inodes;
}

/** An address as `/proc/net` writes it: words of four bytes, each in the machine's byte order. */
function procAddress(address: string): string {
  const bytes = ipaddr.parse(address).toByteArray();
  const words = [];
  for (let at = 0; at < bytes.length; at += 4) {
    words.push(bytes.slice(at, at + 4).reverse());
  }
  return words.flat()
    .map((byte) => byte.toString(16).padStart(2, "0").toUpperCase())
    .join("");
}
