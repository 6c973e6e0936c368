/**
 * Puts and gets of one process, by how many callers there are at once.
 *
 * @module
 */

import { startTestEtcd } from "../tests/machine/test_etcd.ts";
import {
  type Aim,
  type BenchContext,
  type Measurement,
  ratios,
  type Row,
} from "./measurement.ts";
import { type Peer, startPeers } from "./peers/peer.ts";
import type { Load, Outcome } from "./peers/run_callers.ts";
import { runRounds } from "./rounds.ts";

/** The numbers of callers, each four times the one before. */
export const CALLERS: readonly number[] = [1, 4, 16, 64, 256, 1024];
const QUICK_CALLERS = [1, 64, 256];
/** The operations. */
export const OPERATIONS = ["put", "get"] as const;

const VALUE_BYTES = 256;
const ROUND_MS = 1_500;
const QUICK_ROUND_MS = 60;
/** A run fills several hundred megabytes. */
const QUOTA = "--quota-backend-bytes=8589934592";

/** What a case is called. */
export function caseName(what: string, callers: number): string {
  return `${what}, ${callers} ${callers === 1 ? "caller" : "callers"}`;
}

/** Measures them. */
export async function storeBench(context: BenchContext): Promise<Measurement> {
  const ms = context.quick ? QUICK_ROUND_MS : ROUND_MS;
  const rows: Row[] = [];
  for (const callers of context.quick ? QUICK_CALLERS : CALLERS) {
    // A new etcd each time, so that none holds what others wrote.
    await using etcd = await startTestEtcd([QUOTA]);
    await using here = startPeers(etcd.endpoint, context);
    for (const what of OPERATIONS) {
      context.say(caseName(what, callers));
      const load = { what, callers, ms, bytes: VALUE_BYTES };
      const contestants = here.peers.map((peer) => ({
        name: peer.name,
        run: () => runLoad(peer, load),
      }));
      const { rounds } = context;
      const name = caseName(what, callers);
      rows.push(...await runRounds(contestants, { what: name, rounds }));
    }
  }
  return {
    name: "store",
    subject: "operations",
    columns: [
      { title: "per second", figure: "perSecond", digits: 0 },
      { title: "p50 ms", figure: "p50Ms", digits: 3 },
      { title: "p99 ms", figure: "p99Ms", digits: 2 },
      {
        title: "store is × as fast",
        figure: "perSecond",
        digits: 2,
        as: "ratio",
      },
      { title: "its p50 is ×", figure: "p50Ms", digits: 2, as: "ratio" },
    ],
    rows,
    aims: aimsOf(rows, context),
    notes: [`Values have ${VALUE_BYTES} bytes; a round takes ${ms} ms.`],
  };
}

async function runLoad(
  peer: Peer,
  load: Load,
): Promise<Readonly<Record<string, number>>> {
  const outcome = await peer.ask<Outcome>({ do: "calls", ...load });
  const { count, ms, p50Ms, p99Ms } = outcome;
  return { perSecond: count / ms * 1_000, p50Ms, p99Ms };
}

function aimsOf(rows: readonly Row[], { go }: BenchContext): readonly Aim[] {
  const against = [
    { peer: "etcd3", bounds: { 64: 4, 256: 6 } },
    ...(go ? [{ peer: "Go clientv3", bounds: { 64: 1.5, 256: 2.5 } }] : []),
  ];
  const speed = against.flatMap(({ peer, bounds }) =>
    Object.entries(bounds).flatMap(([callers, bound]) =>
      OPERATIONS.map((operation): Aim => {
        const what = caseName(operation, Number(callers));
        return {
          what: `${what}: speed against ${peer}`,
          relation: "≥",
          bound,
          unit: "×",
          values: ratios(rows, { what, peer, figure: "perSecond" }),
        };
      })
    )
  );
  const latency = OPERATIONS.map((operation): Aim => {
    const what = caseName(operation, 1);
    return {
      what: `${what}: p50 against etcd3`,
      relation: "≤",
      bound: 1.05,
      unit: "×",
      values: ratios(rows, { what, peer: "etcd3", figure: "p50Ms" }),
    };
  });
  return [...speed, ...latency];
}
