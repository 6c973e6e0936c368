/**
 * The orderly hand-over to the next candidate: between two stores, and between two
 * agents of which one is told to stop.
 *
 * @module
 */

import { strictEqual } from "node:assert/strict";
import { startTestEtcd } from "../tests/machine/test_etcd.ts";
import type { BenchContext, Measurement, Row } from "./measurement.ts";
import { type Peer, startPeers } from "./peers/peer.ts";
import { type AgentPair, startAgentPair } from "./agent_pair.ts";

const HAND_OVERS = 36;
const QUICK_HAND_OVERS = 2;
const TTL_SECONDS = 15;

/** Measures it. */
export async function handOverBench(
  context: BenchContext,
): Promise<Measurement> {
  const count = context.quick ? QUICK_HAND_OVERS : HAND_OVERS;
  await using etcd = await startTestEtcd();
  const rows: Row[] = [];
  {
    await using here = startPeers(etcd.endpoint, {
      ...context,
      without: ["etcd3"],
    });
    context.say("hand-over between candidates");
    for (const peer of here.peers) {
      const what = "two candidates, one resigns";
      const ms = await betweenCandidates(peer, count);
      rows.push({ what, peer: peer.name, figures: { ms } });
    }
  }
  context.say("hand-over between agents");
  await using pair = await startAgentPair(etcd.endpoint, TTL_SECONDS);
  const ms: number[] = [];
  while (ms.length < count) ms.push(await betweenAgents(pair));
  rows.push({
    what: "two agents, one gets SIGTERM",
    peer: "kat-agent",
    figures: { ms },
  });
  return {
    name: "hand_over",
    subject: "hand-over",
    columns: [
      { title: "p50 ms", figure: "ms", digits: 1, as: "p50" },
      { title: "p99 ms", figure: "ms", digits: 1, as: "p99" },
    ],
    rows,
    aims: [{
      what: "orderly hand-over between two agents, p99",
      relation: "≤",
      bound: 50,
      unit: "ms",
      values: [...ms].sort((a, b) => a - b).slice(-1),
    }],
    notes: [
      `There are ${count} hand-overs of each kind. For agents the time is from the signal until the other's "Became leader" can be read on its log.`,
    ],
  };
}

async function betweenCandidates(
  peer: Peer,
  terms: number,
): Promise<readonly number[]> {
  await peer.ask({ do: "campaign", candidates: 2, ttlSeconds: TTL_SECONDS });
  const { ms } = await peer.ask<{ readonly ms: readonly number[] }>({
    do: "handOver",
    terms,
    again: true,
  });
  await peer.ask({ do: "leave" });
  return ms;
}

async function betweenAgents(pair: AgentPair): Promise<number> {
  const { leader, waiting } = pair;
  const start = performance.now();
  const stopped = leader.stop();
  await waiting.logged("Became leader");
  const took = performance.now() - start;
  strictEqual((await stopped).code, 0);
  await pair.replaceLeader();
  return took;
}
