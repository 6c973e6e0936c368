import assert from "node:assert/strict";

import { KatError } from "../base/errors.ts";
import type { ClusterSpec } from "./cluster_config.ts";
import { SPEC_DEFAULTS } from "./spec_rules.ts";
import { sharedSpec } from "./shared_spec.ts";
import { decodeSpec, encodeSpec, readNodeSpec } from "./stored_spec.ts";

const SPEC: ClusterSpec = {
  ...SPEC_DEFAULTS,
  dataDir: "/var/lib/kat",
  etcd: { version: "3.6.14", electionTimeoutMs: 1000 },
};

Deno.test("encodeSpec() writes the same text whatever the order of the fields", () => {
  const turned = Object.fromEntries(
    Object.entries({
      ...SPEC,
      etcd: Object.fromEntries(Object.entries(SPEC.etcd).reverse()),
    }).reverse(),
  ) as unknown as ClusterSpec;

  assert.equal(encodeSpec(turned), encodeSpec(SPEC));
  assert.match(
    encodeSpec(SPEC),
    /^\{"clusterCIDR":"10\.100\.0\.0\/16","serviceCIDR":.*"agentPort":9116,.*"etcd":\{"electionTimeoutMs":1000\}\}$/,
  );
});

Deno.test("decodeSpec() leaves out fields that a newer agent stored", () => {
  const json = JSON.stringify({
    ...SPEC,
    gpuPort: 1,
    etcd: { ...SPEC.etcd, version: "4.0.0", compaction: true },
  });

  assert.deepEqual(decodeSpec(json), sharedSpec(SPEC));
});

Deno.test("encodeSpec() leaves out what is a node's own, and decodeSpec() ignores it where an older agent stored it", () => {
  const own = {
    version: "3.6.13",
    mirror: "http://mirror.example",
    sha256: "0".repeat(64),
    binary: "/usr/bin/etcd",
  };
  const spec = { ...SPEC, etcd: { ...own, electionTimeoutMs: 1000 } };

  const read = decodeSpec(JSON.stringify(spec));

  assert.equal(encodeSpec(spec), encodeSpec(read));
  assert.equal("dataDir" in read, false);
  assert.deepEqual(read.etcd, { electionTimeoutMs: 1000 });
  assert.deepEqual(readNodeSpec(spec), spec);
});

Deno.test("decodeSpec() says why a text is no spec", () => {
  const { apiPort: _, ...incomplete } = SPEC;
  const cases: readonly (readonly [json: string, why: RegExp])[] = [
    ["", /^Cannot read the stored configuration: .*JSON/],
    ["{", /JSON/],
    ["null", /it is no JSON object/],
    ["[]", /it is no JSON object/],
    ["7", /it is no JSON object/],
    ["{}", /it has no "clusterCIDR"/],
    [JSON.stringify(incomplete), /it has no "apiPort"/],
    [JSON.stringify({ ...SPEC, apiPort: "1" }), /"apiPort" is no whole number/],
    [JSON.stringify({ ...SPEC, apiPort: 1.5 }), /"apiPort" is no whole number/],
    [JSON.stringify({ ...SPEC, dataDir: null }), /"dataDir" is no string/],
    [JSON.stringify({ ...SPEC, etcd: [] }), /"etcd" is no object/],
    [
      JSON.stringify({ ...SPEC, etcd: { version: 3 } }),
      /"etcd.version" is no string/,
    ],
    [JSON.stringify({ ...SPEC, apiPort: 0 }), /"apiPort" is 0, wanted a port/],
    [
      JSON.stringify({ ...SPEC, backupPath: "/a/../b" }),
      /"backupPath" is .*, wanted an absolute path/,
    ],
    [
      JSON.stringify({ ...SPEC, serviceCIDR: "10.100.128.0/17" }),
      /"serviceCIDR": .* overlaps/,
    ],
    [
      JSON.stringify({ ...SPEC, etcd: { heartbeatIntervalMs: 9_000 } }),
      /"heartbeatIntervalMs": found 9000/,
    ],
  ];
  for (const [json, why] of cases) {
    assert.throws(() => decodeSpec(json), (error) => {
      assert(error instanceof KatError);
      assert.match(error.message, why);
      assert.equal(typeof error.hint, "string");
      return true;
    });
  }
});
