import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { chooseTiming, deriveTiming, type EtcdTiming } from "../etcd_timing.ts";
import { etcdFlags, type EtcdMember } from "./etcd_flags.ts";

const V34 = { major: 3, minor: 4, patch: 23 };
const V35 = { major: 3, minor: 5, patch: 33 };
const V36 = { major: 3, minor: 6, patch: 14 };
const V37 = { major: 3, minor: 7, patch: 1 };

const ALONE: EtcdMember = {
  name: "n1",
  dataDir: "/var/lib/kat/etcd",
  clientUrls: ["http://127.0.0.1:2379"],
  peerUrl: "http://127.0.0.1:2380",
  initialCluster: [{ name: "n1", peerUrl: "http://127.0.0.1:2380" }],
  initialClusterToken: "lab",
  ...deriveTiming(undefined, { members: 1 }),
};

const WITH_PEERS: EtcdMember = {
  ...ALONE,
  clientUrls: ["http://10.0.0.1:2379"],
  peerUrl: "http://10.0.0.1:2380",
  initialCluster: [
    { name: "n1", peerUrl: "http://10.0.0.1:2380" },
    { name: "n2", peerUrl: "http://10.0.0.2:2380" },
  ],
  ...deriveTiming(undefined, { members: 2 }),
};

function valueOf(flags: readonly string[], name: string): string | undefined {
  const prefix = `--${name}=`;
  return flags.find((flag) => flag.startsWith(prefix))?.slice(prefix.length);
}

Deno.test("etcdFlags() listens on loopback only when that is what is advertised", () => {
  const flags = etcdFlags(ALONE, V36);

  strictEqual(valueOf(flags, "listen-client-urls"), "http://127.0.0.1:2379");
  strictEqual(valueOf(flags, "listen-peer-urls"), "http://127.0.0.1:2380");
  strictEqual(valueOf(flags, "host-whitelist"), "127.0.0.1");
  strictEqual(valueOf(flags, "initial-cluster"), "n1=http://127.0.0.1:2380");
});

Deno.test("etcdFlags() adds loopback for clients, not for peers, when another address is advertised", () => {
  const flags = etcdFlags(WITH_PEERS, V36);

  strictEqual(
    valueOf(flags, "listen-client-urls"),
    "http://10.0.0.1:2379,http://127.0.0.1:2379",
  );
  strictEqual(valueOf(flags, "advertise-client-urls"), "http://10.0.0.1:2379");
  strictEqual(valueOf(flags, "listen-peer-urls"), "http://10.0.0.1:2380");
  strictEqual(valueOf(flags, "host-whitelist"), "10.0.0.1,127.0.0.1");
  strictEqual(
    valueOf(flags, "initial-cluster"),
    "n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380",
  );
});

Deno.test("etcdFlags() names IPv6 hosts without brackets in the list of hosts", () => {
  const flags = etcdFlags(
    { ...ALONE, clientUrls: ["http://[fd00::1]:2379"] },
    V36,
  );

  strictEqual(valueOf(flags, "host-whitelist"), "fd00::1,127.0.0.1");
  strictEqual(
    valueOf(flags, "listen-client-urls"),
    "http://[fd00::1]:2379,http://127.0.0.1:2379",
  );
});

Deno.test("etcdFlags() keeps to the listen URLs that were given", () => {
  const flags = etcdFlags(
    { ...WITH_PEERS, listenClientUrls: ["http://10.0.0.9:2379"] },
    V36,
  );

  strictEqual(valueOf(flags, "listen-client-urls"), "http://10.0.0.9:2379");
  strictEqual(valueOf(flags, "host-whitelist"), "10.0.0.1,10.0.0.9");
});

Deno.test("etcdFlags() makes a member without peers elect itself ten times as fast", () => {
  const alone = etcdFlags(ALONE, V36);
  const withPeers = etcdFlags(WITH_PEERS, V36);

  strictEqual(valueOf(alone, "heartbeat-interval"), "10");
  strictEqual(valueOf(alone, "election-timeout"), "100");
  strictEqual(valueOf(withPeers, "heartbeat-interval"), "100");
  strictEqual(valueOf(withPeers, "election-timeout"), "1000");
});

Deno.test("etcdFlags() lets times that are set win, and derives the other from one", () => {
  const cases: readonly [Partial<EtcdTiming>, string, string][] = [
    [{ heartbeatIntervalMs: 50, electionTimeoutMs: 700 }, "50", "700"],
    [{ heartbeatIntervalMs: 50 }, "50", "500"],
    [{ electionTimeoutMs: 700 }, "70", "700"],
  ];
  for (const member of [ALONE, WITH_PEERS]) {
    for (const [times, heartbeat, election] of cases) {
      const flags = etcdFlags({
        ...member,
        ...chooseTiming(times, member),
      }, V36);

      strictEqual(valueOf(flags, "heartbeat-interval"), heartbeat);
      strictEqual(valueOf(flags, "election-timeout"), election);
    }
  }
});

Deno.test("etcdFlags() gives each version the flags that it knows", () => {
  const differing = (version: typeof V34) =>
    etcdFlags(ALONE, version).filter((flag) =>
      /logger|enable-v2|corrupt|feature/i.test(flag)
    ).sort();
  const old = "--experimental-initial-corrupt-check=true";
  const gate = "--feature-gates=InitialCorruptCheck=true";

  deepStrictEqual(differing(V34), ["--enable-v2=false", old, "--logger=zap"]);
  deepStrictEqual(differing(V35), ["--enable-v2=false", old]);
  deepStrictEqual(differing(V36), [gate]);
  deepStrictEqual(differing(V37), [gate]);
});

Deno.test("etcdFlags() compacts, limits, and keeps web pages out in every version", () => {
  for (const version of [V34, V35, V36, V37]) {
    const flags = etcdFlags({ ...ALONE, quotaBackendBytes: 123 }, version);

    for (
      const flag of [
        "--initial-cluster-state=new",
        "--initial-cluster-token=lab",
        "--pre-vote=true",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=8h",
        "--quota-backend-bytes=123",
        "--enable-grpc-gateway=false",
        "--log-level=info",
        "--log-outputs=stderr",
      ]
    ) {
      ok(flags.includes(flag), flag);
    }
  }
});
