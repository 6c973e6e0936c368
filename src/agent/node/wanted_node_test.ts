import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { UsageError } from "../../base/errors.ts";
import { parseInitialCluster } from "../../config/node_settings.ts";
import { parseClusterConfig } from "../../config/parse_cluster_config.ts";
import type { DiskProbe } from "../../etcd/disk_probe.ts";
import { dataPaths } from "../data_directory.ts";
import {
  decodeNodeRecord,
  encodeNodeRecord,
  type NodeRecord,
} from "../node_record.ts";
import { planMember, planNode } from "./plan_node.ts";
import { type WantedNode, wantedNode } from "./wanted_node.ts";

const CONFIG = parseClusterConfig(
  `apiVersion: kat.dws.rip/v1alpha1
kind: ClusterConfiguration
metadata:
  name: home
spec:
  clusterCIDR: 10.100.0.0/16
  serviceCIDR: 10.200.0.0/16
`,
  { file: "cluster.kat", defaultDataDir: "/var/lib/kat" },
);
const THREE =
  "n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380,n3=http://10.0.0.3:2380";

function node(
  nodeName: string,
  initialCluster?: string,
  advertiseAddress?: string,
) {
  return wantedNode(CONFIG, {
    nodeName,
    advertiseAddress,
    initialCluster: initialCluster && parseInitialCluster(initialCluster) ||
      undefined,
    dataDir: "/data",
  });
}

Deno.test("wantedNode() makes a node alone a cluster of one on loopback", () => {
  const alone = node("n1");
  strictEqual(alone.advertiseAddress, "127.0.0.1");
  deepStrictEqual(alone.initialCluster, [
    { name: "n1", peerUrl: "http://127.0.0.1:2380" },
  ]);
  strictEqual(alone.spec.dataDir, "/data");
});

Deno.test("wantedNode() takes its address from the initial cluster", () => {
  strictEqual(node("n2", THREE).advertiseAddress, "10.0.0.2");
});

Deno.test("wantedNode() refuses flags that contradict each other", () => {
  throws(() => node("n4", THREE), UsageError);
  throws(() => node("n1", THREE, "10.0.0.9"), UsageError);
  throws(() => node("n1", "n1=http://10.0.0.1:1234"), UsageError);
});

/** The plan of a node that has just been made, or knows this besides. */
function plan(wanted: WantedNode, known: Partial<NodeRecord> = {}) {
  const record = { ...wanted, state: "initialising", ...known } as const;
  return planNode(record, { paths: dataPaths("/data"), wantedSpec: undefined });
}

Deno.test("planNode() says where a member listens and which members are asked", () => {
  const second = plan(node("n2", THREE));
  const member = planMember(second, undefined);
  strictEqual(member.peerUrl, "http://10.0.0.2:2380");
  strictEqual(member.dataDir, "/data/etcd");
  deepStrictEqual(member.clientUrls, ["http://10.0.0.2:2379"]);
  strictEqual(member.initialCluster.length, 3);
  deepStrictEqual(second.endpoints, [
    "http://10.0.0.2:2379",
    "http://10.0.0.1:2379",
    "http://10.0.0.3:2379",
  ]);
  deepStrictEqual(
    second.ports.map(({ address, port }) => `${address}:${port}`),
    ["10.0.0.2:2379", "127.0.0.1:2379", "10.0.0.2:2380"],
  );
});

Deno.test("planNode() writes IPv6 addresses as URLs want them", () => {
  const six = plan(node("n1", "n1=http://[fd00::1]:2380"));
  strictEqual(planMember(six, undefined).peerUrl, "http://[fd00::1]:2380");
  deepStrictEqual(six.endpoints, ["http://[fd00::1]:2379"]);
});

Deno.test("planNode() measures the disk only of a node with peers that knows no timing", () => {
  const timing = { heartbeatIntervalMs: 200, electionTimeoutMs: 2_000 };
  strictEqual(plan(node("n1")).needsProbe, false);
  strictEqual(plan(node("n2", THREE)).needsProbe, true);
  strictEqual(plan(node("n2", THREE), { timing }).needsProbe, false);
});

Deno.test("planMember() takes the timing that the cluster settled on, else what the disk asks for", () => {
  const timing = { heartbeatIntervalMs: 200, electionTimeoutMs: 2_000 };
  const slow = { p99Ms: 30 } as DiskProbe;
  const timingOf = (known: Partial<NodeRecord>, probe?: DiskProbe) =>
    planMember(plan(node("n2", THREE), known), probe).heartbeatIntervalMs;
  strictEqual(timingOf({}), 100);
  strictEqual(timingOf({}, slow), 300);
  strictEqual(timingOf({ timing }, slow), 200);
});

Deno.test("planNode() returns to the cluster that the node knows, and makes one before", () => {
  const wanted = node("n1");
  const clusterUid = crypto.randomUUID();
  strictEqual(plan(wanted).entry.kind, "make");
  strictEqual(plan(wanted, { clusterUid }).entry.kind, "make");
  deepStrictEqual(plan(wanted, { state: "ready", clusterUid }).entry, {
    kind: "return",
    uid: clusterUid,
    name: wanted.clusterName,
    spec: wanted.spec,
    wantedSpec: undefined,
    appliedSpec: undefined,
  });
});

Deno.test("planNode() says that ports can no longer change once the cluster exists", () => {
  const second = node("n2", THREE);
  const areFixed = (state: "initialising" | "ready") =>
    plan(second, { state }).ports.map(({ isFixed }) => isFixed);

  deepStrictEqual(areFixed("initialising"), [false, false, false]);
  deepStrictEqual(areFixed("ready"), [true, true, true]);
});

Deno.test("decodeNodeRecord() reads what encodeNodeRecord() wrote", () => {
  const record = {
    ...node("n2", THREE),
    state: "ready",
    clusterUid: crypto.randomUUID(),
  } as const;
  deepStrictEqual(decodeNodeRecord(encodeNodeRecord(record), "x"), record);
});

Deno.test("decodeNodeRecord() refuses what is damaged or newer", () => {
  const text = encodeNodeRecord({ ...node("n1"), state: "ready" });
  const cases: [string, RegExp][] = [
    ["", /it is no JSON/],
    [text.slice(0, -20), /it is no JSON/],
    ["{}", /is wrong/],
    [text.replace('"ready"', '"other"'), /"state" is wrong/],
    [
      text.replace('"formatVersion": 1', '"formatVersion": 2'),
      /format 2, and this kat-agent knows 1/,
    ],
    [text.replace('"clusterCIDR"', '"clusterCidr"'), /clusterCIDR/],
  ];
  for (const [damaged, says] of cases) {
    throws(() => decodeNodeRecord(damaged, "/d/node.json"), says);
  }
});
