/**
 * The shared timing in the store: nodes add what they have measured, and read
 * what holds.
 *
 * @module
 */

import * as v from "valibot";
import { messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { DiskProbe } from "../etcd/disk_probe.ts";
import { TIMING_KEY } from "../store/keys.ts";
import {
  type KV,
  type StateStore,
  StoreUnavailableError,
} from "../store/state_store.ts";
import { type RecordOptions, retryUntilAvailable } from "./cluster_record.ts";
import {
  type ClusterTiming,
  type MergeOptions,
  mergeTiming,
  TimingSchema,
} from "./cluster_timing.ts";

/** Options of {@linkcode updateTiming}. */
export interface UpdateOptions extends RecordOptions, MergeOptions {}

/**
 * Adds a node's measurement to the shared timing, whose time-outs only grow,
 * and returns that. Members use it from their next start on.
 *
 * @throws {StoreError} if the store refuses.
 */
export async function updateTiming(
  store: StateStore,
  options: UpdateOptions,
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
    logger("agent").info("Updated the timing of the cluster", { ...next });
    return next;
  });
}

/** Options of {@linkcode agreeOnTiming}. */
export interface AgreeOptions extends Omit<UpdateOptions, "probe"> {
  /** What this node knew before. */
  readonly known: ClusterTiming | undefined;
  /** The measurement that goes on; `undefined` if there is none. */
  readonly probing: Promise<DiskProbe | undefined> | undefined;
  /** Told once the store has it, to remember it for the next start. */
  readonly onStored: (timing: ClusterTiming) => Promise<void>;
}

/** The timing to serve with; disposing waits until the store has it, or it was given up. */
export interface AgreedTiming extends AsyncDisposable {
  /** What holds now. */
  readonly timing: ClusterTiming;
}

/**
 * Agrees with the other nodes, and waits for that. A lone node does not wait:
 * it serves at once, and updates the store when its disk is measured.
 *
 * @throws {StoreError} if the store refuses.
 */
export async function agreeOnTiming(
  store: StateStore,
  { known, probing, onStored, ...options }: AgreeOptions,
): Promise<AgreedTiming> {
  const updating = (async () => {
    const probe = await probing;
    const timing = await updateTiming(store, { ...options, probe });
    await onStored(timing);
    return timing;
  })();
  const done = updating.then(() => {}, (error) => {
    if (options.signal.aborted) return;
    logger("agent").warn("Cannot update the timing of the cluster", {
      reason: messageOf(error),
    });
  });
  const timing = options.members > 1
    ? await updating
    : mergeTiming(known, { ...options, probe: undefined });
  return { timing, [Symbol.asyncDispose]: () => done };
}

/** Reads the shared timing; `undefined` if the store holds none. */
export async function readTiming(
  store: StateStore,
  options: RecordOptions,
): Promise<ClusterTiming | undefined> {
  const kv = await store.get(TIMING_KEY, options);
  return kv && decodeTiming(kv);
}

/** Ignores what another program wrote there. */
function decodeTiming({ value }: KV): ClusterTiming | undefined {
  try {
    const raw = JSON.parse(new TextDecoder().decode(value));
    const parsed = v.safeParse(TimingSchema, raw);
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
