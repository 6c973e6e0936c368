/**
 * Three real members with a long election timeout: time enough to read from one
 * that lags behind and does not know it.
 *
 * @module
 */

import { etcdctl } from "../machine/etcdctl.ts";
import { eventually } from "../machine/eventually.ts";
import { freePorts } from "../machine/free_ports.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { spawnEtcd } from "../machine/test_etcd.ts";

/** One of the three. */
export interface TrioMember {
  /** Its client URL. */
  readonly endpoint: string;
  /** Sends a signal to it. */
  readonly signal: (signal: Deno.Signal) => void;
}

/** A running cluster; disposing ends it and removes its data. */
export interface Trio extends AsyncDisposable {
  /** Leads the others. */
  readonly leader: TrioMember;
  /** Follows. */
  readonly follower: TrioMember;
  /** Follows too. */
  readonly other: TrioMember;
}

/** Starts three members and waits until one leads. */
export async function startSlowTrio(): Promise<Trio> {
  const dir = await tempDir();
  const ports = freePorts(6);
  const names = ["n1", "n2", "n3"];
  const url = (port: number | undefined) => `http://127.0.0.1:${port}`;
  const cluster = names.map((name, index) => `${name}=${url(ports[index + 3])}`)
    .join(",");
  const children = await Promise.all(names.map(async (name, index) => {
    const [port = 0, peerPort = 0] = [ports[index], ports[index + 3]];
    const home = `${dir.path}/${name}`;
    await Deno.mkdir(home);
    return spawnEtcd({ name, dir: home, port, peerPort }, [
      `--initial-cluster=${cluster}`,
      "--heartbeat-interval=100",
      "--election-timeout=5000",
      // No test cuts the power here.
      "--unsafe-no-fsync",
    ]);
  }));
  const members = children.map((child, index) => ({
    endpoint: url(ports[index]),
    signal: (signal: Deno.Signal) => child.kill(signal),
  }));
  async function end(): Promise<void> {
    for (const child of children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
    }
    await Promise.all(children.map((child) => child.status));
    await dir[Symbol.asyncDispose]();
  }
  try {
    const leads = await eventually(() => indexOfLeader(members));
    const [leader, follower, other] = [0, 1, 2].map((step) =>
      members[(leads + step) % 3]
    ) as [TrioMember, TrioMember, TrioMember];
    return { leader, follower, other, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function indexOfLeader(members: readonly TrioMember[]): Promise<number> {
  const endpoints = members.map(({ endpoint }) => endpoint).join(",");
  const text = await etcdctl(endpoints, "endpoint", "status", "-w", "json");
  const all = JSON.parse(text) as {
    readonly Status: {
      readonly header: { readonly member_id: number };
      readonly leader: number;
    };
  }[];
  const index = all.findIndex(({ Status }) =>
    Status.leader === Status.header.member_id
  );
  if (index < 0 || all.length < 3) throw new Error("There is no leader yet");
  return index;
}
