/**
 * `kat-agent etcd compact`, `defrag` and `disarm`: space for a full database.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { map, optional, withDefault } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { flag, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { byteText } from "../base/byte_text.ts";
import { escapeControls } from "../base/escape_controls.ts";
import { ExitCode, KatError } from "../base/errors.ts";
import type {
  DefragmentStep,
  ProgressOptions,
} from "../etcd/client/compact_defrag.ts";
import type { Command, Context } from "./command.ts";
import { dataDirOption, endpointsOption, plainText } from "./options.ts";
import { table } from "./table.ts";
import { bindTo, findTarget, type TargetFlags } from "./target.ts";

/** How long the store may take to answer. */
const ANSWER_MS = 3_000;

const target = { dataDir: dataDirOption, endpoints: endpointsOption };

const compactOptions = object({
  ...target,
  keep: withDefault(
    option("--keep", integer({ metavar: "N", min: 0n, type: "bigint" }), {
      description: plainText(
        "How many revisions to keep besides the current one, so that interrupted watches can continue. Default: 1000.",
      ),
    }),
    1000n,
  ),
});

const defragOptions = object({
  ...target,
  force: optional(flag("--force", {
    description: plainText(
      "Continue although a member does not answer, and the cluster stops meanwhile.",
    ),
  })),
});

const disarmOptions = object(target);

/** See `kat-agent help etcd compact`. */
export const compactCommand: Command = {
  name: "compact",
  summary: "Delete old versions of keys",
  description:
    "Deletes the history of the keys, except for the last revisions; the current values stay. etcd does this by itself every 8 hours: this command is for a database that is full earlier. It frees space inside the database, whose file keeps its size until kat-agent etcd defrag. Prints the size of each member's database before and after.",
  examples: [
    "kat-agent etcd compact",
    "kat-agent etcd compact --keep 0 --endpoints http://127.0.0.1:2379",
  ],
  parser: map(compactOptions, (flags) => (context) => compact(flags, context)),
};

/** See `kat-agent help etcd defrag`. */
export const defragCommand: Command = {
  name: "defrag",
  summary: "Give free space inside the databases back to the disk",
  description:
    "Rewrites each member's database without its free space: one member after the other, etcd's leader last. Meanwhile the member does not answer, about a second for each 50 MB; a cluster of one or two nodes stops for that time. Prints the size of each member's database before and after.",
  examples: ["kat-agent etcd defrag"],
  parser: map(defragOptions, (flags) => (context) => defrag(flags, context)),
};

/** See `kat-agent help etcd disarm`. */
export const disarmCommand: Command = {
  name: "disarm",
  summary: "Let etcd write again after its database was full",
  description:
    "Clears the alarm that etcd raises when a database reaches its quota. As long as the alarm stands, etcd refuses writes. A database that is still as large as its quota must get space first: run kat-agent etcd compact and kat-agent etcd defrag.",
  examples: ["kat-agent etcd disarm"],
  parser: map(disarmOptions, (flags) => (context) => disarm(flags, context)),
};

async function compact(
  { keep, ...flags }: InferValue<typeof compactOptions>,
  context: Context,
): Promise<ExitCode> {
  const { compactHistory } = await import("../etcd/client/compact_defrag.ts");
  const place = await findTarget(flags, context);
  const { endpoints } = place;
  const cluster = await bindTo(place);
  const { signal, stdout } = context;
  const { revision, isNew, members } = await answered(
    "compact",
    compactHistory({ endpoints, cluster, keep, signal }),
  );
  await stdout(
    isNew
      ? `Deleted the history before revision ${revision}\n\n${
        sizes(members)
      }\nThe space is free inside the databases; to give it back to the disk: kat-agent etcd defrag\n`
      : "There is nothing to delete\n",
  );
  return ExitCode.ok;
}

async function defrag(
  { force, ...flags }: InferValue<typeof defragOptions>,
  context: Context,
): Promise<ExitCode> {
  const { defragmentMembers } = await import(
    "../etcd/client/compact_defrag.ts"
  );
  const { logger } = await import("../base/log.ts");
  const { startCommandLog } = await import("./command_log.ts");
  await using _log = await startCommandLog({}, context);
  const place = await findTarget(flags, context);
  const { endpoints, nodeName, dataDir } = place;
  const cluster = await bindTo(place);
  const { diskSpace } = await import("../base/disk_space.ts");
  const steps: DefragmentStep[] = [];
  await answered(
    "defragment",
    defragmentMembers({
      endpoints,
      cluster,
      force,
      onPause: () =>
        logger("cli").warn(
          "The cluster stops while a member is defragmented: it cannot do without one",
        ),
      onStep: (step) => void steps.push(step),
      freeBytesOf: async (name) =>
        name === nodeName && dataDir !== undefined
          ? (await diskSpace(dataDir))?.freeBytes
          : undefined,
      signal: context.signal,
    }),
  );
  await context.stdout(sizes(steps));
  return ExitCode.ok;
}

async function disarm(
  flags: TargetFlags,
  context: Context,
): Promise<ExitCode> {
  const { disarmNoSpace } = await import(
    "../etcd/client/disarm_no_space.ts"
  );
  const place = await findTarget(flags, context);
  const { signal, stdout } = context;
  const { endpoints } = place;
  const asked = { endpoints, cluster: await bindTo(place), signal };
  const quotaBytes = await answered("disarm", storedQuota(asked));
  const { disarmed, corrupt } = await answered(
    "disarm",
    disarmNoSpace({ ...asked, quotaBytes }),
  );
  await stdout(
    disarmed.length === 0
      ? "There is no alarm for space\n"
      : disarmed.map((name) => `Disarmed ${escapeControls(name)}\n`).join(""),
  );
  if (corrupt.length === 0) return ExitCode.ok;
  throw new KatError(
    `Cannot disarm ${
      corrupt.join(", ")
    }: its data differs from the data of the other members`,
    { hint: "Stop the agent of that node and restore its data from a backup" },
  );
}

/** The quota that the cluster's configuration sets; `undefined` if the store holds none. */
async function storedQuota(
  { endpoints, cluster, signal }: ProgressOptions & {
    readonly signal: AbortSignal;
  },
): Promise<number | undefined> {
  const { readCluster } = await import("../cluster/cluster_record.ts");
  const { DEFAULT_QUOTA_BYTES } = await import("../etcd/process/etcd_flags.ts");
  const { EtcdStore } = await import("../store/etcd/etcd_store.ts");
  await using store = new EtcdStore({ endpoints, cluster });
  const found = await readCluster(store, { signal, timeoutMs: ANSWER_MS });
  return found &&
    (found.spec.etcd.quotaBackendBytes ?? DEFAULT_QUOTA_BYTES);
}

/** Turns etcd's refusal of a command into an error with a next step. */
async function answered<T>(what: string, call: Promise<T>): Promise<T> {
  const { EtcdCallError } = await import("../etcd/client/etcd_call_error.ts");
  const { StoreError } = await import("../store/state_store.ts");
  return await call.catch((error: unknown) => {
    if (!(error instanceof EtcdCallError || error instanceof StoreError)) {
      throw error;
    }
    throw new KatError(`Cannot ${what}: ${error.message}`, {
      cause: error,
      hint:
        "More than half of the members must answer; to see which do: kat-agent status",
    });
  });
}

function sizes(steps: readonly DefragmentStep[]): string {
  return table([
    ["MEMBER", "URL", "SIZE", "IN USE", "SIZE NOW", "IN USE NOW"],
    ...steps.map(({ before, after }) => [
      before.name || "-",
      before.url,
      ...[before, after].flatMap(({ status }) =>
        status === undefined
          ? ["-", "-"]
          : [byteText(status.dbBytes), byteText(status.dbBytesInUse)]
      ),
    ]),
  ]);
}
