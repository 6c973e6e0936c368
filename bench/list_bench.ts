/**
 * A list of many keys, against `etcdctl get --prefix` and other clients.
 *
 * @module
 */

import { strictEqual } from "node:assert/strict";
import { startTestEtcd, type TestEtcd } from "../tests/machine/test_etcd.ts";
import { EtcdStore } from "../src/store/etcd/etcd_store.ts";
import {
  type Aim,
  type BenchContext,
  type Measurement,
  ratios,
  type Row,
} from "./measurement.ts";
import { startPeers } from "./peers/peer.ts";
import { type Contestant, runRounds } from "./rounds.ts";

const SIZES = [20_000, 100_000];
const QUICK_SIZES = [500];
const VALUE_BYTES = 256;

/** Measures it. */
export async function listBench(context: BenchContext): Promise<Measurement> {
  const sizes = context.quick ? QUICK_SIZES : SIZES;
  const rows: Row[] = [];
  await using etcd = await startTestEtcd();
  await using here = startPeers(etcd.endpoint, context);
  for (const size of sizes) {
    const what = caseName(size);
    const prefix = `/bench/list/${size}/`;
    context.say(what);
    await fill(etcd.endpoint, prefix, size);
    const contestants = here.peers.map((peer): Contestant => ({
      name: peer.name,
      async run() {
        const request = { do: "list", prefix } as const;
        const { count, ms } = await peer.ask<{ count: number; ms: number }>(
          request,
        );
        strictEqual(count, size);
        return { ms };
      },
    }));
    contestants.push(
      { name: "etcdctl", run: () => timeCtl(etcd, prefix) },
      // What of that is the program's start.
      { name: "etcdctl, one key", run: () => timeCtl(etcd, `${prefix}000000`) },
    );
    const { rounds } = context;
    rows.push(...await runRounds(contestants, { what, rounds }));
  }
  return {
    name: "list",
    subject: "list",
    columns: [
      { title: "ms", figure: "ms", digits: 1, as: "spread" },
      { title: "store takes ×", figure: "ms", digits: 2, as: "ratio" },
    ],
    rows,
    aims: sizes.map((size): Aim => ({
      what: `${caseName(size)}: time against etcdctl get --prefix`,
      relation: "≤",
      bound: 1,
      unit: "×",
      values: ratios(rows, {
        what: caseName(size),
        peer: "etcdctl",
        figure: "ms",
      }),
    })),
    notes: [
      `Values have ${VALUE_BYTES} bytes.`,
      "etcdctl is started anew for each list; how long it takes with one key is its start.",
    ],
  };
}

function caseName(size: number): string {
  return `${size.toLocaleString("en")} keys`;
}

/** The time until etcdctl has printed all and ended. */
async function timeCtl(
  etcd: TestEtcd,
  prefix: string,
): Promise<{ readonly ms: number }> {
  const start = performance.now();
  const child = etcd.startCtl("get", "--prefix", prefix);
  const { success } = await child.output();
  const ms = performance.now() - start;
  strictEqual(success, true);
  return { ms };
}

async function fill(
  endpoint: string,
  prefix: string,
  size: number,
): Promise<void> {
  await using store = new EtcdStore({ endpoints: [endpoint] });
  const value = new TextEncoder().encode("x".repeat(VALUE_BYTES));
  let next = 0;
  async function caller(): Promise<void> {
    while (next < size) {
      const key = `${prefix}${String(next++).padStart(6, "0")}`;
      await store.put(key, value);
    }
  }
  await Promise.all(Array.from({ length: 256 }, caller));
}
