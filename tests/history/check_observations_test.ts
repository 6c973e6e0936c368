import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { checkLiveness } from "./check_liveness.ts";
import {
  checkBounded,
  checkConvergence,
  checkHighWater,
  checkNothingLeft,
  checkProcesses,
} from "./check_observations.ts";
import type { Mark, Observation, Operation, Probe } from "./history.ts";
import { Random } from "../simulation/random.ts";

/** An observation without the fields that all have. */
type Bare<O> = O extends Observation ? Omit<O, "type" | "at_ns"> : never;

function observed(...bare: Bare<Observation>[]) {
  const observations = bare.map((one, index) => ({
    ...one,
    type: "observation",
    at_ns: index,
  } as Observation));
  return { observations };
}

/** How many violations each of two histories has: one in order, one not. */
function counts(
  check: (history: { observations: Observation[] }) => {
    violations: readonly unknown[];
  },
  good: Bare<Observation>[],
  bad: Bare<Observation>[],
): [number, number] {
  return [
    check(observed(...good)).violations.length,
    check(observed(...bad)).violations.length,
  ];
}

Deno.test("checkNothingLeft() sees leases, keys and sockets that are left", () => {
  const none = { what: "left" as const, leases: [], keys: [], sockets: [] };
  const bad = [{ ...none, leases: ["7"] }, { ...none, sockets: ["s"] }];
  deepStrictEqual(counts(checkNothingLeft, [none], bad), [0, 2]);
});

Deno.test("checkProcesses() sees a second etcd, one that runs after the end, and a zombie", () => {
  const scan = {
    what: "processes" as const,
    data_dir: "d",
    etcd_pids: [1],
    zombies: [],
    allowed: true,
  };
  const bad = [
    { ...scan, etcd_pids: [1, 2] },
    { ...scan, allowed: false },
    { ...scan, zombies: [3] },
  ];
  deepStrictEqual(counts(checkProcesses, [scan], bad), [0, 3]);
});

Deno.test("checkHighWater() sees a store that came back with less, unless an alarm was recorded", () => {
  const start = {
    what: "high_water" as const,
    node: "n1",
    seen: 10,
    found: 10,
    alarmed: false,
  };
  const good = [start, { ...start, found: 3, alarmed: true }];
  const bad = [{ ...start, found: 9 }];
  deepStrictEqual(counts(checkHighWater, good, bad), [0, 1]);
});

Deno.test("checkConvergence() sees members that differ at a revision, and an alarm", () => {
  const hash = {
    what: "hash" as const,
    member: "n1",
    revision: 5,
    hash: 1,
  };
  const good = [hash, { ...hash, member: "n2" }];
  const bad = [
    hash,
    { ...hash, member: "n2", hash: 2 },
    { what: "alarms" as const, alarms: ["NOSPACE"] },
  ];
  deepStrictEqual(counts(checkConvergence, good, bad), [0, 2]);
  const apart = observed(hash, { ...hash, member: "n2", revision: 6 });
  strictEqual(checkConvergence(apart).undecided, 1);
});

Deno.test("checkBounded() sees a figure that grows under noise, and not one that does not", () => {
  const random = new Random(1);
  const figures = (figure: string, value: (index: number) => number) =>
    Array.from({ length: 400 }, (_one, index) => ({
      what: "figure" as const,
      node: "n1",
      figure,
      value: value(index) + 20 * random.next(),
    }));
  const steady = figures("rss", (index) => index < 60 ? index : 100);
  const saw = figures("heap", (index) => 100 + index % 30);
  const leak = figures("fds", (index) => 100 + index / 10);
  deepStrictEqual(counts(checkBounded, [...steady, ...saw], leak), [0, 1]);
  strictEqual(checkBounded(observed(...leak.slice(0, 9))).undecided, 1);
});

Deno.test("checkLiveness() sees a leader or a write that is missing in time, and a call that hangs", () => {
  const put: Operation = {
    type: "op",
    f: "put",
    process: "c1",
    id: "c1:1",
    key: "/a",
    value: "c1:1",
    call_ns: 2e9,
    return_ns: 3e9,
    outcome: "ok",
    result: { version: 2 },
  };
  const probe: Probe = {
    type: "probe",
    node: "n1",
    asked_ns: 2e9,
    answered_ns: 2e9 + 1,
    leads: true,
  };
  const healed: Mark = {
    type: "mark",
    name: "healed",
    at_ns: 1e9,
    bound_ms: 5_000,
  };
  const marks: Mark[] = [healed, { type: "mark", name: "end", at_ns: 60e9 }];
  const count = (operations: Operation[], probes: Probe[]) =>
    checkLiveness({ operations, probes, marks }).violations.length;
  strictEqual(count([put], [probe]), 0);
  strictEqual(count([put], []), 1);
  strictEqual(count([{ ...put, call_ns: 5e9, return_ns: 7e9 }], [probe]), 1);
  strictEqual(
    count([put, { ...put, return_ns: null, outcome: "unknown" }], [probe]),
    1,
  );
});
