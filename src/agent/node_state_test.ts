import { strictEqual } from "node:assert/strict";
import type { EtcdProcess } from "../etcd/process/etcd_process.ts";
import { describeNode, type NodeState } from "./node_state.ts";

const termSince = new Date(2026, 10, 2, 14, 2);
const term = { fence: 7n, isOver: false };
const lostTerm = { fence: 7n, isOver: true };

const answers = () => Promise.resolve(true);

function etcd(state: EtcdProcess["state"]): NodeState {
  return {
    etcd: { pid: 7, state, answers, serves: answers },
    etcdVersion: "3.6.14",
  };
}

function describe(state: NodeState, now = termSince): string {
  return describeNode(state, { termSince, now });
}

Deno.test("describeNode() tells of a node from its start to its term", () => {
  strictEqual(describe({}), "starting");
  strictEqual(
    describe({ search: "fetching etcd: 45 %" }),
    "fetching etcd: 45 %",
  );
  strictEqual(describe(etcd("starting")), "etcd 3.6.14 starting");
  const waiting = { ...etcd("starting"), waitsFor: "n2, n3", isUp: true };
  strictEqual(
    describe(waiting),
    "waiting for n2, n3, etcd 3.6.14 starting",
  );
  const up = { ...etcd("serving"), isUp: true };
  strictEqual(describe(up), "no leader seen yet, etcd 3.6.14 healthy");
  strictEqual(
    describe({ ...up, leader: "n1" }),
    "observing n1, etcd 3.6.14 healthy",
  );
  strictEqual(
    describe({ ...up, term, leader: "n1" }),
    "leader since 14:02, fence 7, etcd 3.6.14 healthy",
  );
});

Deno.test("describeNode() calls nobody a leader whose term is over", () => {
  strictEqual(
    describe({ isUp: true, term: lostTerm }),
    "leadership lost, its duties are ending",
  );
});

Deno.test("describeNode() names the day of a term that began on another", () => {
  strictEqual(
    describe({ isUp: true, term }, new Date(2026, 10, 3, 9, 0)),
    "leader since 2026-11-02 14:02, fence 7",
  );
});

Deno.test("describeNode() tells of trouble with the store and with etcd", () => {
  const storeCheck = { trouble: "waiting for n2, n3" };
  strictEqual(
    describe({ ...etcd("serving"), isUp: true, storeCheck }),
    "no leader seen yet, the store cannot be reached: waiting for n2, n3, etcd 3.6.14 running",
  );
  strictEqual(
    describe({ ...etcd("exited"), isUp: true, term }),
    "leader since 14:02, fence 7, etcd 3.6.14 ended, is started again",
  );
  const keepsEnding = "the disk is full";
  strictEqual(
    describe({ ...etcd("exited"), isUp: true, keepsEnding }),
    "no leader seen yet, etcd keeps ending: the disk is full, tried again every minute",
  );
});
