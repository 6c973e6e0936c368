/**
 * What makes a store a cluster: its UID and configuration. The first node puts
 * them there once, and all nodes compare theirs with them.
 *
 * @module
 */

import { Backoff } from "../base/backoff.ts";
import { systemClock } from "../base/clock.ts";
import { ExitCode, KatError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { compareSpecs, type SpecDifference } from "../config/compare_specs.ts";
import { type SharedSpec, sharedSpec } from "../config/shared_spec.ts";
import { decodeSpec, encodeSpec } from "../config/stored_spec.ts";
import {
  CLUSTER_CONFIG_KEY,
  CLUSTER_UID_KEY,
  SCHEMA_VERSION,
  SCHEMA_VERSION_KEY,
} from "../store/keys.ts";
import {
  type KV,
  OutcomeUnknownError,
  type StateStore,
  StoreUnavailableError,
} from "../store/state_store.ts";

/** A cluster as its store has it. */
export interface ClusterRecord {
  /** The cluster's UUID. */
  readonly uid: string;
  /** Its configuration, without what is a node's own. */
  readonly spec: SharedSpec;
}

/** A setting of a running cluster was changed that may not change. */
export class ConfigChangeError extends KatError {
  /** 78: cluster.kat is what must change. */
  override readonly exitCode: ExitCode = ExitCode.config;
}

interface Stored {
  readonly uid: KV | undefined;
  readonly config: KV | undefined;
}

/** Whether a text is a UUID as `crypto.randomUUID()` makes them. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

/** Options of the calls here. */
export interface RecordOptions {
  /** Ends the wait for the store. */
  readonly signal: AbortSignal;
  /** How long each call to it may take, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** Options of {@linkcode readCluster} and {@linkcode applySpec}. */
export interface ReadClusterOptions extends RecordOptions {
  /**
   * The configuration as a node of the cluster knows it, to go on with if the
   * stored one is damaged.
   */
  readonly remembered?: SharedSpec | undefined;
}

const encoder = new TextEncoder();

/**
 * Makes the cluster in an empty store, or finds it there.
 *
 * @throws {KatError} if what is there was written by something this agent does not know.
 */
export async function establishCluster(
  store: StateStore,
  spec: SharedSpec,
  options: RecordOptions,
): Promise<ClusterRecord & { readonly created: boolean }> {
  const uid = crypto.randomUUID();
  const put = (key: string, value: string) =>
    ({ type: "put", key, value: encoder.encode(value) }) as const;
  return await retryUntilAvailable(options, async () => {
    // A repetition does no harm: only the first one succeeds.
    await store.doTransaction(
      [{ key: CLUSTER_UID_KEY, expectedVersion: 0n }],
      [
        put(SCHEMA_VERSION_KEY, SCHEMA_VERSION),
        put(CLUSTER_UID_KEY, uid),
        put(CLUSTER_CONFIG_KEY, encodeSpec(spec)),
      ],
      [],
      options,
    );
    const record = await readCluster(store, options);
    if (!record) throw new StoreUnavailableError("The cluster's UID vanished");
    return { ...record, created: record.uid === uid };
  });
}

/**
 * Reads the cluster; `undefined` if the store holds none.
 *
 * @throws {KatError} if what is there was written by something this agent does not know.
 */
export async function readCluster(
  store: StateStore,
  options: ReadClusterOptions,
): Promise<ClusterRecord | undefined> {
  const { uid, config } = await readStored(store, options);
  if (uid === undefined) return undefined;
  if (!isUuid(decode(uid))) {
    throw new KatError(
      `Cannot read the cluster: ${CLUSTER_UID_KEY} in the store is no UUID`,
      { hint: "Restore the store from a backup" },
    );
  }
  if (config === undefined) {
    throw new KatError(
      `Cannot read the cluster: ${CLUSTER_CONFIG_KEY} is missing from the store`,
      { hint: "Restore the store from a backup" },
    );
  }
  const { spec, damage } = readSpec(config, options);
  if (damage !== undefined) {
    logger("agent").warn(
      "The stored configuration is damaged: this node goes on with what it remembers; kat-agent init --config FILE repairs it",
      { reason: damage },
    );
  }
  return { uid: decode(uid), spec };
}

/** Reads the stored configuration, or falls back on the remembered one. */
function readSpec(
  config: KV,
  { remembered }: ReadClusterOptions,
): { readonly spec: SharedSpec; readonly damage: string | undefined } {
  try {
    return { spec: decodeSpec(decode(config)), damage: undefined };
  } catch (error) {
    if (remembered === undefined || !(error instanceof KatError)) throw error;
    return { spec: sharedSpec(remembered), damage: error.message };
  }
}

/**
 * Changes the stored configuration to the wanted one, as far as a running
 * cluster allows.
 *
 * @throws {ConfigChangeError} naming each setting that may not change, with both values.
 */
export async function applySpec(
  store: StateStore,
  wanted: SharedSpec,
  options: ReadClusterOptions,
): Promise<void> {
  const changed = await retryUntilAvailable(options, async () => {
    const { config } = await readStored(store, options);
    if (config === undefined) return [];
    const { spec: stored, damage } = readSpec(config, options);
    const differences = compareSpecs(stored, sharedSpec(wanted));
    refuseFixed(differences);
    if (differences.length === 0 && damage === undefined) return [];
    const value = encodeSpec(wanted);
    const applied = await store.doTransaction(
      [{ key: CLUSTER_CONFIG_KEY, expectedVersion: config.version }],
      [{ type: "put", key: CLUSTER_CONFIG_KEY, value: encoder.encode(value) }],
      [],
      options,
    );
    if (applied) return differences;
    throw new StoreUnavailableError("Another node changed it meanwhile");
  });
  for (const { field, stored, wanted } of changed) {
    logger("agent").info("Changed a setting of the cluster", {
      field: `spec.${field}`,
      from: stored,
      to: wanted,
    });
  }
}

/**
 * Refuses differences that a running cluster cannot take.
 *
 * @throws {ConfigChangeError} naming each of them.
 */
export function refuseFixed(differences: readonly SpecDifference[]): void {
  const fixed = differences.filter(({ mayChange }) => !mayChange);
  if (fixed.length === 0) return;
  const lines = fixed.map(({ field, stored, wanted }) =>
    `spec.${field}: the cluster has "${stored}", cluster.kat says "${wanted}"`
  );
  throw new ConfigChangeError(
    `Cannot change what the cluster was made with: ${lines.join("; ")}`,
    {
      hint:
        "Put the cluster's own values back into cluster.kat, or make a new cluster in an empty data directory",
    },
  );
}

/** Repeats an idempotent call until the store answers, or the signal aborts. */
export async function retryUntilAvailable<T>(
  { signal }: RecordOptions,
  call: () => Promise<T>,
): Promise<T> {
  const pauses = new Backoff({ firstMs: 50, maxMs: 2_000 });
  while (true) {
    try {
      return await call();
    } catch (error) {
      const again = error instanceof OutcomeUnknownError ||
        error instanceof StoreUnavailableError;
      if (!again) throw error;
      const level = pauses.attempts === 0 ? "warn" : "debug";
      logger("agent")[level]("Waiting for the store", {
        reason: error.message,
      });
      await systemClock.sleep(pauses.nextMs(), { signal });
    }
  }
}

async function readStored(
  store: StateStore,
  options: RecordOptions,
): Promise<Stored> {
  const results: (KV | undefined)[] = [];
  await store.doTransaction(
    [],
    [SCHEMA_VERSION_KEY, CLUSTER_UID_KEY, CLUSTER_CONFIG_KEY].map((key) => ({
      type: "get",
      key,
    })),
    [],
    { ...options, results },
  );
  const [schema, uid, config] = results;
  const version = schema && decode(schema);
  if (version !== undefined && version !== SCHEMA_VERSION) {
    throw new KatError(
      `Cannot use the store: its schema is version "${version}", and this kat-agent knows ${SCHEMA_VERSION}`,
      { hint: "Use the kat-agent that wrote it, or a newer one" },
    );
  }
  return { uid, config };
}

function decode({ value }: KV): string {
  return new TextDecoder().decode(value);
}

/**
 * Refuses a store that came back empty, or belongs to another cluster; returns
 * the cluster.
 *
 * @throws {KatError} naming both clusters.
 */
export function refuseAnotherStore(
  uid: string,
  found: ClusterRecord | undefined,
): ClusterRecord {
  if (found?.uid === uid) return found;
  throw new KatError(
    `Cannot serve: this node belongs to cluster ${uid}, and the store holds ${
      found ? `cluster ${found.uid}` : "none"
    }`,
    {
      hint: "Restore the store from a backup; nothing was changed in it",
    },
  );
}
