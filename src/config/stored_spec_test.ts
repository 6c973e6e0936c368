import assert from "node:assert/strict";

import { KatError } from "../base/errors.ts";
import type { ClusterSpec } from "./cluster_config.ts";
import { SPEC_DEFAULTS } from "./spec_rules.ts";
import { decodeSpec, encodeSpec } from "./stored_spec.ts";

const SPEC: ClusterSpec = {
  clusterCIDR: "10.100.0.0/16",
  serviceCIDR: "10.200.0.0/16",
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
    /^\{"clusterCIDR":"10\.100\.0\.0\/16","serviceCIDR":.*"agentPort":9116,.*"etcd":\{"version":"3\.6\.14","electionTimeoutMs":1000\}\}$/,
  );
});

Deno.test("decodeSpec() leaves out fields that a newer agent stored", () => {
  const json = JSON.stringify({
    ...SPEC,
    gpuPort: 1,
    etcd: { ...SPEC.etcd, version: "4.0.0", compaction: true },
  });

  assert.deepEqual(decodeSpec(json), {
    ...SPEC,
    etcd: { ...SPEC.etcd, version: "4.0.0" },
  });
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
