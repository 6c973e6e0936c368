/**
 * Checks that etcd's ports are free, and finds the program that uses one. It
 * does so before etcd starts, because etcd names neither the setting nor the
 * program.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import { abortable, Deadline } from "../../base/abortable.ts";
import { KatError, messageOf } from "../../base/errors.ts";
import {
  listTcpSockets,
  processesByOpenFile,
  type ProcessInfo,
  programName,
} from "../../base/process_table.ts";
import { markedDataDir } from "./etcd_pid_file.ts";

/** A port that etcd is going to listen on. */
export interface WantedPort {
  /** Whether clients or peers are going to connect to it. */
  readonly purpose: "client" | "peer";
  /** The IP address to listen on, without brackets. */
  readonly address: string;
  /** The port. */
  readonly port: number;
  /** The name of the setting, as `spec.etcdClientPort`. */
  readonly setting: string;
  /** Whether the cluster exists, so that the setting can no longer change. @default {false} */
  readonly isFixed?: boolean | undefined;
  /** The node's own etcd directory: an etcd on it that has the port is its own. */
  readonly dataDir?: string | undefined;
  /** What to do where this machine does not have the address. @default {to give another} */
  readonly addressHint?: string | undefined;
}

/**
 * Listens on each port for a moment, and connects to it: where the interface for
 * that is down, etcd would run and no client reach it. Another program may still
 * take a port before etcd does; etcd then exits, and its log says so.
 *
 * @throws {KatError} for the first port that etcd cannot listen on: because a
 * program uses it, the address belongs to another machine, cannot be reached from
 * this one, or the port needs a permission.
 */
export async function assertPortsFree(
  ports: readonly WantedPort[],
): Promise<void> {
  for (const wanted of ports) {
    const { address: hostname, port } = wanted;
    try {
      using _listener = Deno.listen({ hostname, port });
      await assertReachable(wanted);
    } catch (error) {
      if (error instanceof KatError) throw error;
      throw await explain(wanted, error);
    }
  }
}

/** How long the kernel may take to connect a socket to another on this machine. */
const REACH_MS = 3_000;

/** Connects to a port that this process listens on. */
async function assertReachable({ address, port }: WantedPort): Promise<void> {
  using deadline = new Deadline(REACH_MS, () => new Error("no answer"));
  try {
    const connection = await abortable(
      Deno.connect({ hostname: address, port, signal: deadline.signal }),
      deadline.signal,
    );
    connection.close();
  } catch (cause) {
    throw new KatError(
      `Cannot reach ${address} from this machine itself: ${messageOf(cause)}`,
      {
        cause,
        hint:
          "Is the network interface lo up? Try: ip link set lo up. If it is, look for a firewall that blocks what this machine sends to itself",
      },
    );
  }
}

async function explain(wanted: WantedPort, cause: unknown): Promise<KatError> {
  const { purpose, port, address, setting, isFixed = false } = wanted;
  const what = `Cannot listen on ${
    address.includes(":") ? `[${address}]` : address
  }:${port} for etcd's ${purpose}s`;
  if (cause instanceof Deno.errors.AddrInUse) {
    const holder = await findHolder(wanted);
    const who = holder === undefined
      ? "another program"
      : `process ${holder.pid} (${programName(holder)})`;
    return new KatError(`${what}: the port is taken by ${who}`, {
      cause,
      hint: hintFor(wanted, holder),
    });
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return new KatError(`${what}: this machine does not have that address`, {
      cause,
      hint: wanted.addressHint ??
        "Give --advertise-address an address that `ip address` or `ifconfig` shows",
    });
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return new KatError(
      `${what}: ports below 1024 need a special permission`,
      {
        cause,
        hint: isFixed
          ? `Run kat-agent as root, or let its user have the port: sysctl net.ipv4.ip_unprivileged_port_start=${port}. ${setting} cannot change, because the cluster was made with it`
          : `Set ${setting} to a port from 1024 on, or run kat-agent as root`,
      },
    );
  }
  return new KatError(`${what}: ${messageOf(cause)}`, {
    cause,
    hint: isFixed
      ? `Check the network of ${address}`
      : `Check --advertise-address and ${setting}`,
  });
}

/** What the user can do about a taken port. */
function hintFor(
  { setting, isFixed = false, dataDir: own }: WantedPort,
  holder: ProcessInfo | undefined,
): string {
  const dataDir = holder && markedDataDir(holder);
  if (dataDir !== undefined && dataDir === own) {
    return "It is this node's own etcd, which another agent has started or is still stopping: wait some seconds and start again";
  }
  const end = dataDir === undefined
    ? "End that program"
    : `It is the etcd of the kat-agent that uses "${dataDir}": stop that agent, or wait until it has stopped`;
  return isFixed
    ? `${end}; ${setting} cannot change, because the cluster was made with it`
    : `${end}, or set ${setting} to another port`;
}

async function findHolder(
  { address, port }: WantedPort,
): Promise<ProcessInfo | undefined> {
  for (const inode of await listeningInodes(address, port)) {
    for await (const holder of processesByOpenFile(`socket:[${inode}]`)) {
      return holder;
    }
  }
  return undefined;
}

/** The state of a socket that listens, as `/proc/net` writes it. */
const LISTENING = "0A";

/** The inodes of the sockets that listen on `port` of the address or of all addresses. */
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

/** An address as `/proc/net` writes it: groups of four bytes, each in the machine's byte order. */
function procAddress(address: string): string {
  const bytes = ipaddr.parse(address).toByteArray();
  const groups = [];
  for (let at = 0; at < bytes.length; at += 4) {
    groups.push(bytes.slice(at, at + 4).reverse());
  }
  return groups.flat()
    .map((byte) => byte.toString(16).padStart(2, "0").toUpperCase())
    .join("");
}
