/**
 * What the thread of {@linkcode MemberPart} may send.
 *
 * @module
 */

import * as v from "valibot";
import {
  NothingSchema,
  TextSchema,
  type WorkerSchemas,
} from "../../base/worker/worker_schemas.ts";
import type { MemberHost, MemberMethods } from "./member_part.ts";

const size = v.pipe(v.number(), v.finite(), v.minValue(0));

/** By method. */
export const MEMBER_SCHEMAS: WorkerSchemas<MemberMethods, MemberHost> = {
  inputs: {
    reportEtcd: v.object({
      pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
      state: v.picklist(["starting", "serving", "stopping", "exited"]),
    }),
    reportServing: NothingSchema,
    reportLost: TextSchema,
    report: v.object({
      isUp: v.exactOptional(v.boolean()),
      keepsEnding: v.optional(TextSchema),
      waitsFor: v.optional(TextSchema),
    }),
    isOrphanRunning: NothingSchema,
    signalOrphan: v.picklist(["SIGTERM", "SIGKILL"]),
    untilServing: TextSchema,
    missingPeers: NothingSchema,
  },
  results: {
    serve: NothingSchema,
    keepRecord: NothingSchema,
    keepIdentity: NothingSchema,
    probeDisk: v.optional(v.object({ p99Ms: size, writes: size })),
    diskSpace: v.optional(v.object({ freeBytes: size, totalBytes: size })),
    portHolder: v.optional(v.pipe(v.number(), v.safeInteger())),
  },
};
