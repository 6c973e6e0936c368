/**
 * A real etcd for tests, started plainly: what tests of the store need, and
 * what tests of the agent compare it with.
 *
 * @module
 */

import { strictEqual } from "node:assert/strict";
import { etcdBinaries } from "./tested_etcd.ts";
import { etcdctl, startEtcdctl } from "./etcdctl.ts";
import { eventually } from "./eventually.ts";
import { freePorts } from "./free_ports.ts";
import { tempDir } from "./temp_dir.ts";

/** A running etcd; disposing ends it and removes its data. */
export interface TestEtcd extends AsyncDisposable {
  /** Its client URL. */
  readonly endpoint: string;
  /** Its client port. */
  readonly port: number;
  /** Runs `etcdctl` on it and returns what it prints. */
  readonly ctl: (...args: string[]) => Promise<string>;
  /** Starts `etcdctl` on it as a process that goes on. */
  readonly startCtl: (...args: string[]) => Deno.ChildProcess;
  /** Sends a signal to it. */
  readonly signal: (signal: Deno.Signal) => void;
  /** Ends it with SIGKILL and waits for the end. */
  readonly kill: () => Promise<void>;
  /** Starts it again on the same port, with its data or without, and waits until it serves. */
  readonly restart: (options?: { readonly wiped: boolean }) => Promise<void>;
}

/** Where an etcd is. */
export interface EtcdPlace {
  /** The member's name. */
  readonly name: string;
  /** A directory, in which it has its data in `data` and its log. */
  readonly dir: string;
  /** Its client port. */
  readonly port: number;
  /** Its port for peers. */
  readonly peerPort: number;
}

/** Starts an etcd on 127.0.0.1, with nothing of the product. */
export function spawnEtcd(
  { name, dir, port, peerPort }: EtcdPlace,
  flags: readonly string[],
): Deno.ChildProcess {
  const endpoint = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  return new Deno.Command(etcdBinaries.etcd, {
    args: [
      `--name=${name}`,
      `--data-dir=${dir}/data`,
      `--listen-client-urls=${endpoint}`,
      `--advertise-client-urls=${endpoint}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--log-outputs=${dir}/etcd.log`,
      "--logger=zap",
      ...flags,
    ],
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

/** Starts an etcd on a free port and waits until it serves. */
export async function startTestEtcd(
  flags: readonly string[] = [],
): Promise<TestEtcd> {
  const dir = await tempDir();
  const [port = 0, peerPort = 0] = freePorts(2);
  const endpoint = `http://127.0.0.1:${port}`;
  let child = spawn();

  function spawn(): Deno.ChildProcess {
    const timing = ["--heartbeat-interval=10", "--election-timeout=100"];
    return spawnEtcd({ name: "test", dir: dir.path, port, peerPort }, [
      `--initial-cluster=test=http://127.0.0.1:${peerPort}`,
      ...timing,
      ...flags,
    ]);
  }

  async function serving(): Promise<void> {
    await eventually(async () => {
      const response = await fetch(`${endpoint}/health`);
      const { health } = await response.json();
      strictEqual(health, "true");
    });
  }

  await serving();
  return {
    endpoint,
    port,
    ctl: (...args) => etcdctl(endpoint, ...args),
    startCtl: (...args) => startEtcdctl(endpoint, ...args),
    signal: (signal) => child.kill(signal),
    async kill() {
      child.kill("SIGKILL");
      await child.status;
    },
    async restart({ wiped } = { wiped: false }) {
      if (wiped) await Deno.remove(`${dir.path}/data`, { recursive: true });
      child = spawn();
      await serving();
    },
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGCONT");
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await child.status;
      await dir[Symbol.asyncDispose]();
    },
  };
}
