/**
 * Puts and gets of one process against one etcd: the store, etcd3's builder API
 * and Go's clientv3, in turns, so that what the machine does meanwhile meets all.
 *
 * ```
 * deno task bench [--quick] [--json=FILE]
 * ```
 *
 * Only ratios within one run mean anything: each round gives one for each peer.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { startTestEtcd } from "../tests/support/test_etcd.ts";
import { etcdBinaries } from "../tests/support/etcd_binaries.ts";
import { EtcdStore } from "../src/store/etcd_store.ts";
import { type Load, type Measure, type Peer } from "./peer.ts";
import { storePeer } from "./store_peer.ts";
import { etcd3Peer } from "./etcd3_peer.ts";
import { goPeer } from "./go_peer.ts";
import { median, showTable } from "./show_table.ts";

const { values: flags } = parseArgs({
  args: Deno.args,
  options: { quick: { type: "boolean" }, json: { type: "string" } },
});
const ROUNDS = flags.quick ? 2 : 7;
const ROUND_MS = flags.quick ? 200 : 1_500;
const VALUE_BYTES = 256;
const CALLERS = [1, 64, 256];

/** What one peer came to in one load, round by round. */
export interface Row extends Load {
  /** Who. */
  readonly peer: string;
  /** Operations per second, the median of the rounds. */
  readonly perSecond: number;
  /** The median of the rounds' median latency, in milliseconds. */
  readonly p50Ms: number;
  /** The median of the rounds' 99th percentile, in milliseconds. */
  readonly p99Ms: number;
  /** The store's operations per second in parts of this one's, round by round. */
  readonly ratios: readonly number[];
  /** The store's median latency in parts of this one's, round by round. */
  readonly latencyRatios: readonly number[];
}

async function measure(
  peers: readonly Peer[],
  load: Load,
): Promise<readonly Row[]> {
  const rounds: Measure[][] = [];
  for (const peer of peers) await peer.run(load); // warm
  for (let round = 0; round < ROUNDS; round++) {
    const measures: Measure[] = [];
    for (let turn = 0; turn < peers.length; turn++) {
      const index = (turn + round) % peers.length;
      measures[index] = await (peers[index] as Peer).run(load);
    }
    rounds.push(measures);
  }
  return peers.map(({ name }, index) => {
    const own = rounds.map((measures) => measures[index] as Measure);
    const store = rounds.map((measures) => measures[0] as Measure);
    const ratio = (of: (one: Measure) => number) =>
      own.map((one, round) => of(store[round] as Measure) / of(one));
    return {
      peer: name,
      ...load,
      perSecond: median(own.map(speed)),
      p50Ms: median(own.map(({ p50Ms }) => p50Ms)),
      p99Ms: median(own.map(({ p99Ms }) => p99Ms)),
      ratios: ratio(speed),
      latencyRatios: ratio(({ p50Ms }) => p50Ms),
    };
  });
}

function speed({ count, ms }: Measure): number {
  return count / ms * 1_000;
}

async function main(): Promise<void> {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  using etcd3 = etcd3Peer(etcd.endpoint);
  await using go = await goPeer(etcd.endpoint);
  const peers = [storePeer(store), etcd3, ...(go ? [go] : [])];
  const rows: Row[] = [];
  for (const callers of CALLERS) {
    for (const what of ["put", "get"] as const) {
      const load = { what, callers, ms: ROUND_MS, bytes: VALUE_BYTES };
      rows.push(...await measure(peers, load));
    }
  }
  const report = {
    etcd: etcdBinaries.version,
    deno: Deno.version.deno,
    cores: navigator.hardwareConcurrency,
    rounds: ROUNDS,
    valueBytes: VALUE_BYTES,
    rows,
  };
  print(showTable(rows));
  if (!go) print("Go was not found: its clientv3 is left out");
  if (flags.json) {
    await Deno.writeTextFile(flags.json, JSON.stringify(report, null, 2));
  }
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) await main();
