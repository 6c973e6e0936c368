import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { ClusterSpec } from "../config/cluster_config.ts";
import type { EtcdMemberStatus } from "../etcd/client/member_status.ts";
import type {
  ClusterFacts,
  LocalFacts,
  MemberFacts,
  StoreFacts,
} from "./cluster_facts.ts";
import { describeCluster } from "./cluster_status.ts";

const MIB = 1024 ** 2;
const SPEC = {
  leaderLeaseSeconds: 15,
  etcd: { quotaBackendBytes: 100 * MIB },
} as ClusterSpec;
const STATUS: EtcdMemberStatus = {
  clusterId: "c1",
  memberId: "a1",
  leaderId: "a1",
  version: "3.6.14",
  revision: 9n,
  raftTerm: 2n,
  raftIndex: 9n,
  raftAppliedIndex: 9n,
  dbBytes: 10 * MIB,
  dbBytesInUse: 5 * MIB,
  isLearner: false,
  errors: [],
};
const STORE: StoreFacts = {
  answers: true,
  cluster: { uid: "uid", name: "demo", spec: SPEC },
  timing: undefined,
  leader: { leaderId: "n1", fence: 7n },
};
const LOCAL: LocalFacts = {
  etcdLog: "/data/etcd.log",
  lastEnd: undefined,
  disk: { freeBytes: 10_000 * MIB, totalBytes: 20_000 * MIB },
};
const SILENT = { answers: false, reason: "timeout" } as const;

function member(
  name: string,
  changes: Partial<EtcdMemberStatus> = {},
): MemberFacts {
  return { name, url: urlOf(name), status: { ...STATUS, ...changes } };
}

function away(name: string): MemberFacts {
  return { name, url: urlOf(name) };
}

function urlOf(name: string): string {
  return `http://${name || "unnamed"}:2379`;
}

/** A healthy cluster of one node, but for what changes. */
function facts(changes: Partial<ClusterFacts> = {}): ClusterFacts {
  return {
    node: "n1",
    endpoints: [urlOf("n1")],
    store: STORE,
    members: [member("n1")],
    local: LOCAL,
    ...changes,
  };
}

/** What is wrong, each up to its first colon. */
function problems(changes: Partial<ClusterFacts>): string[] {
  return describeCluster(facts(changes)).problems
    .map((text) => text.replace(/: .*$/s, ""));
}

Deno.test("describeCluster() finds nothing wrong with a healthy cluster", () => {
  deepStrictEqual(describeCluster(facts()), {
    clusterUid: "uid",
    node: "n1",
    disk: LOCAL.disk,
    leader: "n1",
    fence: "7",
    timing: {
      heartbeatIntervalMs: 10,
      electionTimeoutMs: 100,
      leaderLeaseSeconds: 15,
      failoverSeconds: 16,
    },
    members: [{
      name: "n1",
      url: urlOf("n1"),
      answers: true,
      leadsEtcd: true,
      etcdVersion: "3.6.14",
      dbBytes: 10 * MIB,
      dbBytesInUse: 5 * MIB,
      quotaBytes: 100 * MIB,
      alarms: [],
    }],
    problems: [],
  });
});

Deno.test("describeCluster() leaves out what is not known, so that JSON has no such field", () => {
  const status = describeCluster({
    endpoints: ["http://x:2379"],
    store: SILENT,
    members: [away("")],
    local: { ...LOCAL, disk: undefined },
  });

  deepStrictEqual(Object.keys(status), ["members", "problems"]);
  deepStrictEqual(status.members, [{
    name: "",
    url: urlOf(""),
    answers: false,
    leadsEtcd: false,
    alarms: [],
  }]);
});

Deno.test("describeCluster() says that the store does not answer, and why", () => {
  deepStrictEqual(
    describeCluster(facts({ store: SILENT })).problems,
    [
      "The store does not answer (timeout): check that the agents run on more than half of the nodes",
    ],
  );
});

Deno.test("describeCluster() says that the store holds no cluster, and then nothing of a leader", () => {
  const store = { ...STORE, cluster: undefined, leader: undefined };

  deepStrictEqual(problems({ store }), ["The store holds no cluster"]);
});

Deno.test("describeCluster() says that there is no leader", () => {
  deepStrictEqual(
    problems({ store: { ...STORE, leader: undefined } }),
    ["There is no leader"],
  );
});

Deno.test("describeCluster() warns when one more loss stops the cluster, and not before or after", () => {
  const warns = (...members: MemberFacts[]) =>
    describeCluster(facts({ members })).problems
      .map((text) => text.endsWith("losing one more stops the cluster"));
  const [n1, n2, n3] = [member("n1"), member("n2"), member("n3")];

  deepStrictEqual(warns(n1, n2, away("n3")), [true]);
  deepStrictEqual(
    warns(n1, n2, n3, member("n4"), away("n5")),
    [false],
  );
  deepStrictEqual(warns(n1, away("n2"), away("n3")), [false, false]);
});

Deno.test("describeCluster() names a member without a name by its URL", () => {
  const members = [member("n1"), member("n2"), away("")];

  deepStrictEqual(problems({ members }), [
    "Member at http://unnamed:2379 does not answer",
  ]);
});

Deno.test("describeCluster() tells a full database by its alarm only, and a corrupt one, each with what to do", () => {
  const full = "memberID:161 alarm:NOSPACE ";
  const corrupt = "memberID:161 alarm:CORRUPT ";
  const of = (errors: string[]) =>
    describeCluster(
      facts({ members: [member("n1", { errors, dbBytes: 100 * MIB })] }),
    ).problems;

  const [fullText = "", ...others] = of([full]);
  strictEqual(
    fullText.startsWith(
      'Member "n1" at http://n1:2379 reports "memberID:161 alarm:NOSPACE": its database has reached its quota',
    ),
    true,
    fullText,
  );
  deepStrictEqual(others, []);
  const [corruptText] = of([corrupt]);
  strictEqual(
    corruptText,
    'Member "n1" at http://n1:2379 reports "memberID:161 alarm:CORRUPT": its data differs from the data of the other members; stop its agent and restore its data from a backup',
  );
  deepStrictEqual(of(["memberID:9 alarm:NOSPACE "]).length, 1);
});

Deno.test("describeCluster() warns of a database that is nearly full", () => {
  const members = [member("n1", { dbBytes: 80 * MIB })];

  strictEqual(
    describeCluster(facts({ members })).problems[0],
    'Member "n1" at http://n1:2379: its database has 80.0 MiB, 80 % of its quota: run kat-agent etcd defrag: most of the database is free space inside',
  );
});

Deno.test("describeCluster() says why this machine's etcd stopped, only while it does not answer", () => {
  const lastEnd = { why: "the disk is full", hint: "Free space" };
  const local = { ...LOCAL, lastEnd };
  const unexplained = { ...LOCAL, lastEnd: { ...lastEnd, hint: undefined } };
  const last = (changes: Partial<ClusterFacts>) =>
    describeCluster(facts(changes)).problems.at(-1);

  deepStrictEqual(problems({ local }), []);
  strictEqual(
    last({ local, members: [away("n1")] }),
    'etcd on node "n1" stopped by itself: the disk is full: Free space',
  );
  // Without a majority members have no names: the node's own URL is the first.
  strictEqual(
    last({
      local: unexplained,
      store: SILENT,
      members: [{ name: "", url: urlOf("n1") }],
    }),
    'etcd on node "n1" stopped by itself: the disk is full: read /data/etcd.log',
  );
  deepStrictEqual(
    problems({ local, members: [member("n1"), member("n3"), away("n2")] }),
    ['Member "n2" at http://n2:2379 does not answer'],
  );
});

Deno.test("describeCluster() warns of a disk that is nearly full on this machine", () => {
  const disk = { freeBytes: 50_000_000, totalBytes: 20_000 * MIB };

  deepStrictEqual(problems({ local: { ...LOCAL, disk } }), ['Node "n1"']);
  deepStrictEqual(problems({ local: { ...LOCAL, disk: undefined } }), []);
});

Deno.test("describeCluster() names problems in one order: the store, members, this machine's etcd and disk", () => {
  deepStrictEqual(
    describeCluster(facts({
      store: { ...STORE, leader: undefined },
      members: [
        member("n3", { dbBytes: 80 * MIB }),
        member("n2", { errors: ["alarm:NOSPACE"] }),
        away("n1"),
      ],
      local: {
        etcdLog: "/data/etcd.log",
        lastEnd: { why: "why", hint: undefined },
        disk: { freeBytes: 0, totalBytes: 1 },
      },
    })).problems.map((text) => text.slice(0, 24)),
    [
      "There is no leader: chec",
      'Member "n1" at http://n1',
      'Member "n2" at http://n2',
      'Member "n3" at http://n3',
      'etcd on node "n1" stoppe',
      'Node "n1": the disk of i',
    ],
  );
});
