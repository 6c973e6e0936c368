/**
 * Many watches in one client: how many events it takes in a second, and how
 * late they come.
 *
 * @module
 */

import { startTestEtcd } from "../tests/machine/test_etcd.ts";
import type { BenchContext, Measurement, Row } from "./measurement.ts";
import { type Peer, startPeers, storePeer } from "./peers/peer.ts";
import type { Outcome } from "./peers/run_callers.ts";
import { runRounds } from "./rounds.ts";

interface Case {
  readonly what: string;
  readonly watches: number;
  /** Whether all watches get all events. */
  readonly shared: boolean;
  /** How many puts a second. */
  readonly perSecond: number;
}

const CASES: readonly Case[] = [
  ...[1, 10, 100, 1_000].map((watches) => ({
    what: `${watches.toLocaleString("en")} of a prefix each, 10,000 puts/s`,
    watches,
    shared: false,
    perSecond: 10_000,
  })),
  ...[100, 1_000].map((watches) => ({
    what: `${watches.toLocaleString("en")} of one prefix, ${
      20_000 / watches
    } puts/s`,
    watches,
    shared: true,
    perSecond: 20_000 / watches,
  })),
];
const QUICK_CASES = CASES.filter(({ watches }) => watches === 100);
const WRITE_SECONDS = 4;
const QUICK_WRITE_SECONDS = 0.1;
const VALUE_BYTES = 256;
/** A round takes several seconds, and holds thousands of events. */
const ROUNDS = 3;

/** Measures them. */
export async function watchBench(context: BenchContext): Promise<Measurement> {
  const seconds = context.quick ? QUICK_WRITE_SECONDS : WRITE_SECONDS;
  const rows: Row[] = [];
  for (const one of context.quick ? QUICK_CASES : CASES) {
    context.say(`watches: ${one.what}`);
    await using etcd = await startTestEtcd();
    await using writer = storePeer(etcd.endpoint);
    await using here = startPeers(etcd.endpoint, context);
    const contestants = here.peers.map((peer) => ({
      name: peer.name,
      run: () => runCase({ peer, writer }, one, seconds),
    }));
    const rounds = Math.min(ROUNDS, context.rounds);
    rows.push(...await runRounds(contestants, { what: one.what, rounds }));
  }
  return {
    name: "watch",
    subject: "watches",
    columns: [
      { title: "events/s", figure: "perSecond", digits: 0 },
      { title: "lag p50 ms", figure: "p50Ms", digits: 1, as: "spread" },
      { title: "lag p99 ms", figure: "p99Ms", digits: 1, as: "spread" },
      { title: "store's p50 is ×", figure: "p50Ms", digits: 2, as: "ratio" },
    ],
    rows,
    aims: [],
    notes: [
      `All watches are in one process and ask for earlier values. Another process writes ${VALUE_BYTES} bytes at an even pace for ${seconds} s.`,
      "The lag counts from when a put is asked for until its event is with the reader.",
    ],
  };
}

async function runCase(
  { peer, writer }: { readonly peer: Peer; readonly writer: Peer },
  { watches, shared, perSecond }: Case,
  seconds: number,
): Promise<Readonly<Record<string, number>>> {
  const prefix = "/bench/watch/";
  const puts = Math.ceil(perSecond * seconds);
  const events = shared ? puts * watches : puts;
  await peer.ask({ do: "watch", prefix, watches, shared, events });
  const outcome = peer.answer<Outcome>();
  const written = writer.ask<{ readonly ms: number }>({
    do: "write",
    prefix,
    parts: shared ? 1 : watches,
    events: puts,
    perSecond,
    bytes: VALUE_BYTES,
  });
  const [{ count, ms, p50Ms, p99Ms }] = await Promise.all([outcome, written]);
  return { perSecond: count / ms * 1_000, p50Ms, p99Ms };
}
