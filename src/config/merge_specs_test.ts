import { deepStrictEqual, match, throws } from "node:assert/strict";

import { KatError } from "../base/errors.ts";
import { cannotMerge, mergeSpecs } from "./merge_specs.ts";
import { type SharedSpec, sharedSpec } from "./shared_spec.ts";
import { SPEC_DEFAULTS } from "./spec_rules.ts";

const FILE = sharedSpec({ ...SPEC_DEFAULTS, etcd: { electionTimeoutMs: 900 } });
const fieldsOf = (differences: readonly { readonly field: string }[]) =>
  differences.map(({ field }) => field);

Deno.test("mergeSpecs() changes what is new in the file, and keeps what another node has set", () => {
  const stored = { ...FILE, leaderLeaseSeconds: 6, etcd: {} };
  const wanted = {
    ...FILE,
    backupIntervalMinutes: 5,
    etcd: { electionTimeoutMs: 900, quotaBackendBytes: 2 ** 30 },
  };

  const { spec, changed, kept } = mergeSpecs(stored, { wanted, applied: FILE });

  deepStrictEqual(spec, {
    ...stored,
    backupIntervalMinutes: 5,
    etcd: { quotaBackendBytes: 2 ** 30 },
  });
  deepStrictEqual(fieldsOf(changed), [
    "backupIntervalMinutes",
    "etcd.quotaBackendBytes",
  ]);
  deepStrictEqual(fieldsOf(kept), [
    "leaderLeaseSeconds",
    "etcd.electionTimeoutMs",
  ]);
});

Deno.test("mergeSpecs() removes what was taken out of the file", () => {
  const wanted: SharedSpec = { ...FILE, etcd: {} };

  deepStrictEqual(mergeSpecs(FILE, { wanted, applied: FILE }).spec, wanted);
});

Deno.test("mergeSpecs() changes nothing for a node that has applied no file yet", () => {
  const wanted = { ...FILE, leaderLeaseSeconds: 6 };

  const { spec, changed, kept } = mergeSpecs(FILE, {
    wanted,
    applied: undefined,
  });

  deepStrictEqual(spec, FILE);
  deepStrictEqual([changed, fieldsOf(kept)], [[], ["leaderLeaseSeconds"]]);
});

Deno.test("mergeSpecs() refuses what no cluster.kat may say", () => {
  const stored = {
    ...FILE,
    agentTickSeconds: 50,
    nodeLossTimeoutSeconds: 200,
  };
  const wanted = { ...FILE, nodeLossTimeoutSeconds: 30 };

  throws(() => mergeSpecs(stored, { wanted, applied: FILE }), (cause) => {
    const { message, hint } = cannotMerge({
      stored,
      wanted,
      cause: cause as KatError,
    });
    match(message, /nodeLossTimeoutSeconds of 30 .* agentTickSeconds of 50/);
    match(hint, /agentTickSeconds: the cluster has 50, cluster\.kat says 15/);
    return cause instanceof KatError;
  });
});
