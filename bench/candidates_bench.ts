/**
 * Many candidates on one etcd: what their waiting costs etcd, how long a chain of
 * terms takes, and how many requests each hand-over makes.
 *
 * @module
 */

import { sleep } from "../tests/machine/sleep.ts";
import { startTestEtcd } from "../tests/machine/test_etcd.ts";
import {
  type EtcdMetrics,
  messagesBetween,
  readEtcdMetrics,
} from "./etcd_metrics.ts";
import type { BenchContext, Measurement, Row } from "./measurement.ts";
import { type Peer, startPeers } from "./peers/peer.ts";
import { runRounds } from "./rounds.ts";

const CANDIDATES = [2, 20, 200];
const TERMS = 50;
const QUICK_TERMS = 2;
const TTL_SECONDS = 15;
/** Two renewals of every lease. */
const IDLE_MS = 10_000;
const QUICK_IDLE_MS = 200;
/** A round takes a quarter of a minute. */
const ROUNDS = 3;

/** Methods that renew leases, which are no part of a hand-over. */
const RENEWAL = "LeaseKeepAlive";

/** Measures them. */
export async function candidatesBench(
  context: BenchContext,
): Promise<Measurement> {
  await using etcd = await startTestEtcd();
  await using here = startPeers(etcd.endpoint, {
    ...context,
    without: ["etcd3"],
  });
  const idleMs = context.quick ? QUICK_IDLE_MS : IDLE_MS;
  const rounds = Math.min(ROUNDS, context.rounds);
  context.say("candidates: none");
  const rows: Row[] = [
    ...await runRounds([{
      name: "nobody",
      run: async () => ({ idle: await idleCpu(etcd.endpoint, idleMs) }),
    }], { what: "0", rounds, warm: false }),
  ];
  for (const candidates of CANDIDATES) {
    context.say(`candidates: ${candidates}`);
    const terms = context.quick ? QUICK_TERMS : TERMS;
    const chain = {
      candidates,
      // Each leads once; a short queue is handed over as often as it can be.
      terms: Math.min(terms, candidates - 1),
      idleMs,
      endpoint: etcd.endpoint,
    };
    const contestants = here.peers.map((peer) => ({
      name: peer.name,
      run: () => runChain(peer, chain),
    }));
    const what = `${candidates}`;
    rows.push(...await runRounds(contestants, { what, rounds, warm: false }));
  }
  return {
    name: "candidates",
    subject: "candidates",
    columns: [
      { title: "etcd idle, % of a core", figure: "idle", digits: 2 },
      { title: "terms", figure: "terms", digits: 0 },
      { title: "chain ms", figure: "chainMs", digits: 0, as: "spread" },
      { title: "ms a term", figure: "termMs", digits: 2 },
      { title: "requests a term", figure: "requests", digits: 2 },
      { title: "of them Txn and Range", figure: "looks", digits: 2 },
      { title: "store takes ×", figure: "chainMs", digits: 2, as: "ratio" },
    ],
    rows,
    aims: [],
    notes: [
      `Each candidate has a connection and a lease of ${TTL_SECONDS} s of its own; all of a client's are in one process. In a chain each leader resigns at once and does not come back.`,
      "Requests are messages to etcd, renewals of leases left out. That their number does not grow with the candidates shows that a hand-over wakes one of them.",
    ],
  };
}

async function runChain(
  peer: Peer,
  { candidates, terms, idleMs, endpoint }: {
    readonly candidates: number;
    readonly terms: number;
    readonly idleMs: number;
    readonly endpoint: string;
  },
): Promise<Readonly<Record<string, number>>> {
  await peer.ask({ do: "campaign", candidates, ttlSeconds: TTL_SECONDS });
  const idle = await idleCpu(endpoint, idleMs);
  const before = await readEtcdMetrics(endpoint);
  const start = performance.now();
  await peer.ask({ do: "handOver", terms, again: false });
  const chainMs = performance.now() - start;
  const after = await readEtcdMetrics(endpoint);
  await peer.ask({ do: "leave" });
  const looks = messagesBetween(before, after, ["Txn", "Range"]);
  return {
    idle,
    terms,
    chainMs,
    termMs: chainMs / terms,
    requests: requestsBetween(before, after) / terms,
    looks: looks / terms,
  };
}

function requestsBetween(before: EtcdMetrics, after: EtcdMetrics): number {
  return messagesBetween(before, after) -
    messagesBetween(before, after, [RENEWAL]);
}

/** What etcd computes without any request, in percent of a core. */
async function idleCpu(endpoint: string, ms: number): Promise<number> {
  const before = await readEtcdMetrics(endpoint);
  const start = performance.now();
  await sleep(ms);
  const after = await readEtcdMetrics(endpoint);
  const tookMs = performance.now() - start;
  return (after.cpuSeconds - before.cpuSeconds) / tookMs * 1_000 * 100;
}
