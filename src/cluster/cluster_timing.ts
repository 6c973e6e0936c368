/**
 * The timing that all nodes of a cluster share, in the store: as patient as the
 * slowest disk among them asks for.
 *
 * @module
 */

import * as v from "valibot";
import { messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { ClusterSpec } from "../config/cluster_config.ts";
import type { DiskProbe } from "../etcd/disk_probe.ts";
import { chooseTiming, deriveTiming, leaseFor } from "../etcd/etcd_timing.ts";
import { TIMING_KEY } from "../store/keys.ts";
import {
  type KV,
  type StateStore,
  StoreUnavailableError,
} from "../store/state_store.ts";
import { type RecordOptions, retryUntilAvailable } from "./cluster_record.ts";
import { type ClusterTiming, TimingSchema } from "./timing_schema.ts";

/** Options of {@linkcode settleTiming}. */
export interface SettleOptions extends RecordOptions {
  /** The node that has measured. */
  readonly nodeName: string;
  /** How many members the cluster has. */
  readonly members: number;
  /** What cluster.kat says of etcd. */
  readonly etcd: ClusterSpec["etcd"];
  /** What it has measured; `undefined` if it has not, or could not. */
  readonly probe: DiskProbe | undefined;
  /**
   * Whether cluster.kat says `leaderLeaseSeconds`; `undefined` if that is not
   * known, as without the file.
   */
  readonly isLeaseGiven: boolean | undefined;
}

/**
 * Adds a node's measurement to the shared timing, which only ever grows more
 * patient, and returns that. Members take it over when they next start.
 *
 * @throws {StoreError} if the store refuses.
 */
export async function settleTiming(
  store: StateStore,
  options: SettleOptions,
): Promise<ClusterTiming> {
  return await retryUntilAvailable(options, async () => {
    const kv = await store.get(TIMING_KEY, options);
    const stored = kv && decodeTiming(kv);
    const next = mergeTiming(stored, options);
    const text = JSON.stringify(next);
    if (stored && JSON.stringify(stored) === text) return next;
    const applied = await store.doTransaction(
      [{ key: TIMING_KEY, expectedVersion: kv?.version ?? 0n }],
      [{
        type: "put",
        key: TIMING_KEY,
        value: new TextEncoder().encode(text),
      }],
      [],
      options,
    );
    if (!applied) {
      throw new StoreUnavailableError("Another node changed it meanwhile");
    }
    logger("agent").info("Settled the timing of the cluster", { ...next });
    return next;
  });
}

/** Options of {@linkcode agreeOnTiming}. */
export interface AgreeOptions extends Omit<SettleOptions, "probe"> {
  /** What this node knew before. */
  readonly known: ClusterTiming | undefined;
  /** The measurement that goes on; `undefined` if there is none. */
  readonly probing: Promise<DiskProbe | undefined> | undefined;
  /** Told once the store has it, to remember it for the next start. */
  readonly onSettled: (timing: ClusterTiming) => Promise<void>;
}

/** The timing to serve with; disposing waits until the store has it, or it was given up. */
export interface AgreedTiming extends AsyncDisposable {
  /** What holds now. */
  readonly timing: ClusterTiming;
}

/**
 * Agrees with the other nodes, and waits for that. A node that is alone has
 * nobody to agree with: it serves at once, and settles when its disk is
 * measured.
 *
 * @throws {StoreError} if the store refuses.
 */
export async function agreeOnTiming(
  store: StateStore,
  { known, probing, onSettled, ...options }: AgreeOptions,
): Promise<AgreedTiming> {
  const settling = (async () => {
    const probe = await probing;
    const timing = await settleTiming(store, { ...options, probe });
    await onSettled(timing);
    return timing;
  })();
  const done = settling.then(() => {}, (error) => {
    if (options.signal.aborted) return;
    logger("agent").warn("Cannot settle the timing of the cluster", {
      reason: messageOf(error),
    });
  });
  const timing = options.members > 1
    ? await settling
    : mergeTiming(known, { ...options, probe: undefined });
  return { timing, [Symbol.asyncDispose]: () => done };
}

/** Reads the shared timing; `undefined` if none was settled. */
export async function readTiming(
  store: StateStore,
  options: RecordOptions,
): Promise<ClusterTiming | undefined> {
  const kv = await store.get(TIMING_KEY, options);
  return kv && decodeTiming(kv);
}

/** The shared timing with one node's measurement in it: pure. */
export function mergeTiming(
  stored: ClusterTiming | undefined,
  { nodeName, members, probe, etcd, isLeaseGiven }: Omit<
    SettleOptions,
    "signal"
  >,
): ClusterTiming {
  const p99Ms = probe && Math.round(probe.p99Ms * 100) / 100;
  const isSlowest = p99Ms !== undefined && p99Ms > (stored?.diskP99Ms ?? -1);
  const { diskP99Ms, slowestNode } = isSlowest
    ? { diskP99Ms: p99Ms, slowestNode: nodeName }
    : stored ?? {};
  const timing = deriveTiming(diskP99Ms, { members });
  // Whoever does not know leaves it as it is.
  const hasLease = isLeaseGiven === undefined
    ? stored?.leaderLeaseSeconds !== undefined
    : !isLeaseGiven;
  return {
    ...timing,
    ...(diskP99Ms === undefined ? {} : { diskP99Ms, slowestNode }),
    ...(hasLease
      ? { leaderLeaseSeconds: leaseFor(chooseTiming(etcd, timing)) }
      : {}),
  };
}

/** What another program wrote there is no timing: as if there was none. */
function decodeTiming({ value }: KV): ClusterTiming | undefined {
  try {
    const raw = JSON.parse(new TextDecoder().decode(value));
    const parsed = v.safeParse(TimingSchema, raw);
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
