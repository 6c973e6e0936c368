import { deepStrictEqual, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import { SPEC_DEFAULTS } from "../../config/spec_rules.ts";
import { sharedSpec } from "../../config/shared_spec.ts";
import { MEMBER_SCHEMAS } from "./member_schemas.ts";
import { STORE_SCHEMAS } from "./store_schemas.ts";

const SPEC = sharedSpec({ ...SPEC_DEFAULTS, etcd: {} });
const UID = "6c02c234-c70f-4908-aa5f-587802c0ab16";
const IDENTITY = {
  clusterId: "cdf818194e3a8c32",
  memberId: "8e9e05c52164694d",
  clusterUid: UID,
  nodeName: "n1",
  etcdVersion: "3.6.14",
  clusterVersion: undefined,
  revision: 2n ** 62n,
  raftIndex: 7n,
};
const TIMING = { heartbeatIntervalMs: 100, electionTimeoutMs: 1_000 };

/** What honest threads send, by method. */
const SENT = [
  [STORE_SCHEMAS.inputs.report, [
    // To say that it is over differs from not saying anything.
    { term: undefined },
    { leader: undefined },
    { term: { fence: 7n, isOver: false } },
    { leader: "n2" },
    { storeCheck: { trouble: undefined } },
    { storeCheck: { trouble: "no answer" } },
  ]],
  [STORE_SCHEMAS.inputs.keepCluster, [
    { uid: UID, name: "demo", spec: SPEC },
    { uid: UID, name: undefined, spec: SPEC },
  ]],
  [STORE_SCHEMAS.inputs.keepElectionKey, ["/kat/leader_election/7fffffff"]],
  [STORE_SCHEMAS.inputs.keepIdentity, [IDENTITY]],
  [STORE_SCHEMAS.inputs.keepTiming, [
    TIMING,
    { ...TIMING, diskP99Ms: 0.5, slowestNode: "n1", leaderLeaseSeconds: 180 },
  ]],
  [STORE_SCHEMAS.results.serverVersion, [undefined, "3.6.14"]],
  [MEMBER_SCHEMAS.inputs.report, [
    { isUp: true },
    { keepsEnding: undefined },
    { waitsFor: "n2", isUp: true },
  ]],
  [MEMBER_SCHEMAS.inputs.reportEtcd, [{ pid: 7, state: "exited" }]],
  [MEMBER_SCHEMAS.results.probeDisk, [undefined, { p99Ms: 2.5, writes: 200 }]],
] as const;

/** What they do not send. */
const NOT_SENT = [
  [STORE_SCHEMAS.inputs.report, [null, { leader: 7 }, { term: { fence: 7 } }]],
  [STORE_SCHEMAS.inputs.keepCluster, [
    { uid: "x", spec: SPEC },
    { uid: UID, name: "\u001b", spec: SPEC },
    { uid: UID, spec: { ...SPEC, apiPort: 0 } },
    { uid: UID, spec: undefined },
  ]],
  [STORE_SCHEMAS.inputs.keepElectionKey, ["/kat/leader_election/", "/a", 7]],
  [STORE_SCHEMAS.inputs.keepIdentity, [
    { ...IDENTITY, revision: 7 },
    { ...IDENTITY, revision: 2n ** 64n },
    { ...IDENTITY, memberId: "x" },
  ]],
  [STORE_SCHEMAS.inputs.keepTiming, [
    { ...TIMING, electionTimeoutMs: 499 },
    { ...TIMING, electionTimeoutMs: 60_000 },
    { ...TIMING, slowestNode: "\u001b" },
  ]],
  [STORE_SCHEMAS.results.isServing, ["yes", undefined]],
  [MEMBER_SCHEMAS.inputs.reportEtcd, [{ pid: 0, state: "exited" }]],
  [MEMBER_SCHEMAS.inputs.signalOrphan, ["SIGSTOP"]],
  [MEMBER_SCHEMAS.results.diskSpace, [{ freeBytes: NaN, totalBytes: 1 }]],
] as const;

Deno.test("the schemas of the threads take what honest ones send, and change nothing in it", () => {
  for (const [schema, values] of SENT) {
    for (const value of values) {
      deepStrictEqual(v.parse(schema as v.GenericSchema, value), value);
    }
  }
});

Deno.test("the schemas of the threads refuse what no honest one sends", () => {
  for (const [schema, values] of NOT_SENT) {
    for (const value of values) {
      strictEqual(v.is(schema as v.GenericSchema, value), false, `${value}`);
    }
  }
});

Deno.test("what only a node itself knows does not pass from the store's thread", () => {
  const { keepCluster } = STORE_SCHEMAS.inputs;
  const spec = {
    ...SPEC,
    volumeBasePath: "/etc",
    backupPath: "/etc/cron.d",
    dataDir: "/tmp",
    etcd: { binary: "/tmp/evil" },
  };
  deepStrictEqual(v.parse(keepCluster, { uid: UID, name: "demo", spec }), {
    uid: UID,
    name: "demo",
    spec: SPEC,
  });
});
