/**
 * How long there is no leader after the leader was killed, against its lease.
 *
 * @module
 */

import { sleep } from "../tests/machine/sleep.ts";
import { startTestEtcd } from "../tests/machine/test_etcd.ts";
import { startAgentPair } from "./agent_pair.ts";
import type { BenchContext, Measurement, Row } from "./measurement.ts";

const LEASES = [5, 15];
const QUICK_LEASES = [2];
/** How much of its lease is left at a kill depends on the last renewal. */
const KILLS = 5;
const QUICK_KILLS = 1;

/** Measures it. */
export async function recoveryBench(
  { quick, say }: BenchContext,
): Promise<Measurement> {
  const leases = quick ? QUICK_LEASES : LEASES;
  const rows: Row[] = [];
  for (const leaseSeconds of leases) {
    say(`recovery, lease of ${leaseSeconds} s`);
    await using etcd = await startTestEtcd();
    await using pair = await startAgentPair(etcd.endpoint, leaseSeconds);
    const ms: number[] = [];
    const kills = quick ? QUICK_KILLS : KILLS;
    while (ms.length < kills) {
      const { leader, waiting } = pair;
      // Somewhere between two renewals, which come at a third of the lease.
      const waitMs = Math.random() * leaseSeconds * 1_000 / 3;
      await sleep(waitMs);
      const start = performance.now();
      leader.kill("SIGKILL");
      await waiting.logged("Became leader");
      ms.push(performance.now() - start);
      if (ms.length < kills) await pair.replaceLeader();
    }
    rows.push({
      what: `${leaseSeconds} s`,
      peer: "kat-agent",
      figures: { ms, leases: ms.map((one) => one / leaseSeconds / 1_000) },
    });
  }
  return {
    name: "recovery",
    subject: "lease",
    columns: [
      { title: "ms", figure: "ms", digits: 0, as: "spread" },
      { title: "in leases", figure: "leases", digits: 2, as: "spread" },
    ],
    rows,
    aims: [],
    notes: [
      "The leader of two agents gets SIGKILL at some moment; the time is until the other leads. The lease counts from its last renewal, at most a third of it before, and etcd looks for expired leases twice a second.",
    ],
  };
}
