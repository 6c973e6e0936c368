import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  chooseTiming,
  deriveTiming,
  failoverSeconds,
  leaseFor,
} from "./etcd_timing.ts";

const DERIVED = [
  [undefined, 100],
  [0.3, 100],
  [10, 100],
  [10.1, 150],
  [25, 250],
  [50, 500],
  [7_400, 500],
] as const;
for (const [p99Ms, heartbeatIntervalMs] of DERIVED) {
  Deno.test(`deriveTiming() gives ${heartbeatIntervalMs} ms to members with peers when the p99 is ${p99Ms} ms`, () => {
    deepStrictEqual(deriveTiming(p99Ms, { members: 3 }), {
      heartbeatIntervalMs,
      electionTimeoutMs: 10 * heartbeatIntervalMs,
    });
  });
}

Deno.test("deriveTiming() gives a member that is alone short time-outs, however slow its disk is", () => {
  for (const p99Ms of [undefined, 0.3, 7_400]) {
    deepStrictEqual(deriveTiming(p99Ms, { members: 1 }), {
      heartbeatIntervalMs: 10,
      electionTimeoutMs: 100,
    });
  }
});

Deno.test("leaseFor() is the default, or outlasts two elections on a slow disk", () => {
  strictEqual(leaseFor(deriveTiming(1, { members: 3 })), 15);
  const slow = deriveTiming(1_000, { members: 3 });
  strictEqual(leaseFor(slow), 18);
  // What is left of it a third after the last renewal, less the margin.
  ok(18_000 * (1 - 1 / 3 - 1 / 10) >= 2 * slow.electionTimeoutMs);
});

Deno.test("chooseTiming() prefers what cluster.kat says, and fills in the other from it", () => {
  const derived = { heartbeatIntervalMs: 100, electionTimeoutMs: 1_000 };

  deepStrictEqual(chooseTiming({}, derived), derived);
  deepStrictEqual(chooseTiming({ heartbeatIntervalMs: 30 }, derived), {
    heartbeatIntervalMs: 30,
    electionTimeoutMs: 300,
  });
  deepStrictEqual(chooseTiming({ electionTimeoutMs: 4_000 }, derived), {
    heartbeatIntervalMs: 400,
    electionTimeoutMs: 4_000,
  });
  deepStrictEqual(
    chooseTiming({ heartbeatIntervalMs: 30, electionTimeoutMs: 150 }, derived),
    { heartbeatIntervalMs: 30, electionTimeoutMs: 150 },
  );
});

Deno.test("failoverSeconds() adds two elections of etcd for a cluster, none for a node alone", () => {
  const alone = deriveTiming(1, { members: 1 });
  strictEqual(failoverSeconds(alone, { members: 1, leaseSeconds: 15 }), 16);
  const three = deriveTiming(1, { members: 3 });
  strictEqual(failoverSeconds(three, { members: 3, leaseSeconds: 15 }), 18);
});
