/**
 * What the thread of {@linkcode StorePart} may send: it reads from the network,
 * and the other half writes to files what it tells.
 *
 * @module
 */

import * as v from "valibot";
import {
  NothingSchema,
  type SchemaOf,
  TextSchema,
  type WorkerSchemas,
} from "../../base/worker/worker_schemas.ts";
import { type ClusterRecord, isUuid } from "../../cluster/cluster_record.ts";
import { TimingSchema } from "../../cluster/cluster_timing.ts";
import type { SharedSpec } from "../../config/shared_spec.ts";
import { readSharedSpec } from "../../config/stored_spec.ts";
import { dnsLabel } from "../../config/value_rules.ts";
import { leaseOfElectionKey } from "../../store/keys.ts";
import { PlainIdentitySchema } from "../identity/identity.ts";
import type { StoreHost, StoreMethods } from "./store_part.ts";

const SpecSchema: SchemaOf<SharedSpec> = v.pipe(
  v.unknown(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return readSharedSpec(dataset.value);
    } catch {
      addIssue();
      return NEVER;
    }
  }),
);

const ClusterSchema: SchemaOf<ClusterRecord> = v.pipe(
  v.object({
    uid: v.pipe(v.string(), v.check(isUuid)),
    name: v.optional(v.pipe(v.string(), v.check(isLabel))),
    spec: SpecSchema,
  }),
  // Absent and undefined are the same here.
  v.transform(({ uid, name, spec }) => ({ uid, name, spec })),
);

function isLabel(text: string): boolean {
  return "value" in dnsLabel.check(text);
}

const ElectionKeySchema = v.pipe(
  v.string(),
  v.check((key) => leaseOfElectionKey(key) !== undefined),
);

const ProgressSchema = v.object({
  leader: v.optional(TextSchema),
  storeCheck: v.exactOptional(
    v.pipe(
      v.object({ trouble: v.optional(TextSchema) }),
      // Absent and undefined are the same here.
      v.transform(({ trouble }) => ({ trouble })),
    ),
  ),
  term: v.optional(
    v.object({
      fence: v.pipe(v.bigint(), v.minValue(0n), v.maxValue(2n ** 63n)),
      isOver: v.boolean(),
    }),
  ),
});

/** By method. */
export const STORE_SCHEMAS: WorkerSchemas<StoreMethods, StoreHost> = {
  inputs: {
    report: ProgressSchema,
    keepCluster: ClusterSchema,
    keepElectionKey: ElectionKeySchema,
    keepIdentity: PlainIdentitySchema,
    keepTiming: TimingSchema,
    probeDisk: NothingSchema,
    diskSpace: NothingSchema,
    portHolder: NothingSchema,
  },
  results: {
    serve: NothingSchema,
    prepare: NothingSchema,
    endTerm: NothingSchema,
    untilServing: NothingSchema,
    isServing: v.boolean(),
    answers: v.boolean(),
    serverVersion: v.optional(TextSchema),
    missingPeers: v.array(TextSchema),
    isAwaited: v.boolean(),
  },
};
