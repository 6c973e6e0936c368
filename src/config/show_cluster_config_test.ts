import assert from "node:assert/strict";

import fc from "fast-check";

import type { ClusterConfig } from "./cluster_config.ts";
import { parseClusterConfig } from "./parse_cluster_config.ts";
import { showClusterConfig } from "./show_cluster_config.ts";
import { SPEC_DEFAULTS } from "./spec_rules.ts";
import { sharedSpec } from "./shared_spec.ts";
import { decodeSpec, encodeSpec, readNodeSpec } from "./stored_spec.ts";

const letter = fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789");
const label = fc.string({ unit: letter, minLength: 1, maxLength: 12 });
/** Words that YAML reads as something else, and signs that mean something to it. */
const segment = fc.oneof(
  fc.constantFrom(
    "yes",
    "null",
    "1e3",
    "0x1F",
    "a: b",
    "a #b",
    "- a",
    "'",
    '"',
  ),
  fc.constantFrom("&a", "*a", "!a", "{a", "[", "%", "@", "`", "|", "\\", " a "),
  fc.string({ unit: fc.constantFrom(..."abc :#'\"é東🎉"), minLength: 1 }),
);
const path = fc.array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => `/srv/${segments.join("/")}`);

const config: fc.Arbitrary<ClusterConfig> = fc.record({
  name: fc.oneof(
    label,
    fc.constantFrom("007", "1e3", "null", "true", "no", "0x1f", "1"),
  ),
  spec: fc.record({
    network: fc.constantFrom(
      ["10.100.0.0/16", "10.200.0.0/16"],
      ["fd00:100::/48", "fd00:200::/48"],
      ["fd00::/64", "2001:db8::/112"],
    ),
    clusterDomain: label.map((text) => `${text}.a`),
    ports: fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), {
      minLength: 4,
      maxLength: 4,
    }),
    volumeBasePath: path.map((text) => `/volumes${text}`),
    backupPath: path.map((text) => `/backups${text}`),
    dataDir: path,
    minutes: fc.integer({ min: 1, max: 35_791 }),
    seconds: fc.integer({ min: 2, max: 3600 }),
    etcd: fc.record({
      version: fc.constant("3.6.14"),
      mirror: fc.constantFrom(
        "https://mirror.example/etcd",
        "http://[fd00::1]:8080",
      ),
      sha256: fc.string({
        unit: fc.constantFrom(..."0123456789abcdef"),
        minLength: 64,
        maxLength: 64,
      }).map((text) => text.replace(/[a-d]/g, "1")),
      binary: path,
      quotaBackendBytes: fc.integer({ min: 16_777_216, max: 8_589_934_592 }),
      heartbeatIntervalMs: fc.integer({ min: 1, max: 200 }),
      electionTimeoutMs: fc.integer({ min: 1000, max: 50_000 }),
    }, { requiredKeys: [], noNullPrototype: true }),
  }),
}).map(({ name, spec }) => {
  const [clusterCIDR = "", serviceCIDR = ""] = spec.network;
  const [agentPort = 0, apiPort = 0, etcdPeerPort = 0, etcdClientPort = 0] =
    spec.ports;
  return {
    name,
    // Every field is shown, and so every one is given.
    isLeaseGiven: true as const,
    spec: {
      ...SPEC_DEFAULTS,
      clusterCIDR,
      serviceCIDR,
      clusterDomain: spec.clusterDomain,
      agentPort,
      apiPort,
      etcdPeerPort,
      etcdClientPort,
      volumeBasePath: spec.volumeBasePath,
      backupPath: spec.backupPath,
      backupIntervalMinutes: spec.minutes,
      agentTickSeconds: spec.seconds - 1,
      nodeLossTimeoutSeconds: spec.seconds,
      leaderLeaseSeconds: spec.seconds,
      dataDir: spec.dataDir,
      etcd: spec.etcd,
    },
  };
});

Deno.test("showClusterConfig() prints what parses to the same configuration", () => {
  fc.assert(
    fc.property(config, (wanted) => {
      const shown = showClusterConfig(wanted);

      const parsed = parseClusterConfig(shown, {
        file: "shown.kat",
        defaultDataDir: undefined,
      });

      assert.deepEqual(parsed, wanted);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("decodeSpec() gives back what is shared of any spec that encodeSpec() wrote, and readNodeSpec() all that a node remembers", () => {
  fc.assert(
    fc.property(config, ({ spec }) => {
      assert.deepEqual(decodeSpec(encodeSpec(spec)), sharedSpec(spec));
      assert.deepEqual(readNodeSpec(JSON.parse(JSON.stringify(spec))), spec);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("showClusterConfig() writes defaults out, in the order of the specification", () => {
  const shown = showClusterConfig(parseClusterConfig(
    "{spec: {serviceCIDR: 10.2.0.0/16, clusterCIDR: 10.1.0.0/16}, " +
      "metadata: {name: demo}, kind: ClusterConfiguration, " +
      "apiVersion: kat.dws.rip/v1alpha1}",
    { file: "cluster.kat", defaultDataDir: "/var/lib/kat" },
  ));

  assert.equal(
    shown,
    `apiVersion: kat.dws.rip/v1alpha1
kind: ClusterConfiguration
metadata:
  name: demo
spec:
  clusterCIDR: 10.1.0.0/16
  serviceCIDR: 10.2.0.0/16
  nodeSubnetBits: 7
  clusterDomain: kat.cluster.local
  agentPort: 9116
  apiPort: 9115
  etcdPeerPort: 2380
  etcdClientPort: 2379
  volumeBasePath: /var/lib/kat/volumes
  backupPath: /var/lib/kat/backups
  backupIntervalMinutes: 30
  agentTickSeconds: 15
  nodeLossTimeoutSeconds: 60
  leaderLeaseSeconds: 15
  dataDir: /var/lib/kat
`,
  );
});
