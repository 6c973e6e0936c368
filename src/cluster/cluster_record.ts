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
import {
  cannotMerge,
  type MergedSpec,
  mergeSpecs,
} from "../config/merge_specs.ts";
import { type SharedSpec, sharedSpec } from "../config/shared_spec.ts";
import { decodeSpec, encodeSpec } from "../config/stored_spec.ts";
import { dnsLabel } from "../config/value_rules.ts";
import {
  CLUSTER_CONFIG_KEY,
  CLUSTER_NAME_KEY,
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
  /** Its name; `undefined` if an older agent made it, or the stored one is no name. */
  readonly name: string | undefined;
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
  readonly name: KV | undefined;
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

/** What a cluster is made of. */
export interface NewCluster {
  /** Its name. */
  readonly name: string;
  /** Its configuration; what is a node's own is left out. */
  readonly spec: SharedSpec;
}

/** What a node's cluster.kat says, and said before. */
export interface AppliedSpecs {
  /** What it says. */
  readonly wanted: SharedSpec;
  /** What it said when this node last applied it; `undefined` if it never did. */
  readonly applied: SharedSpec | undefined;
}

const encoder = new TextEncoder();

/**
 * Makes the cluster in an empty store, or finds it there.
 *
 * @throws {KatError} if what is there was written by something this agent does not know.
 */
export async function establishCluster(
  store: StateStore,
  { name, spec }: NewCluster,
  options: RecordOptions,
): Promise<ClusterRecord & { readonly created: boolean }> {
  const uid = crypto.randomUUID();
  return await retryUntilAvailable(options, async () => {
    // A repetition does no harm: only the first one succeeds.
    await store.doTransaction(
      [{ key: CLUSTER_UID_KEY, expectedVersion: 0n }],
      [
        put(SCHEMA_VERSION_KEY, SCHEMA_VERSION),
        put(CLUSTER_UID_KEY, uid),
        put(CLUSTER_NAME_KEY, name),
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

function put(key: string, value: string) {
  return { type: "put", key, value: encoder.encode(value) } as const;
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
  const { uid, name, config } = await readStored(store, options);
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
  const isName = name && "value" in dnsLabel.check(decode(name));
  return { uid: decode(uid), name: isName ? decode(name) : undefined, spec };
}

/**
 * Adds its name to a cluster that has none, because an older agent made it. One
 * that is there is not changed.
 */
export async function addClusterName(
  store: StateStore,
  name: string,
  options: RecordOptions,
): Promise<void> {
  const isAdded = await retryUntilAvailable(
    options,
    () =>
      store.doTransaction(
        [{ key: CLUSTER_NAME_KEY, expectedVersion: 0n }],
        [put(CLUSTER_NAME_KEY, name)],
        [],
        options,
      ),
  );
  if (isAdded) logger("agent").info("Named the cluster", { name });
}

/**
 * Refuses a store whose cluster has another name than cluster.kat.
 *
 * @throws {ConfigChangeError} with both.
 */
export function refuseAnotherName(
  name: string,
  found: Pick<ClusterRecord, "name">,
): void {
  if (found.name === undefined || found.name === name) return;
  throw new ConfigChangeError(
    `Cannot use the store: its cluster is "${found.name}", and metadata.name in cluster.kat is "${name}"`,
    {
      hint:
        "Put the cluster's own name into cluster.kat, or make a new cluster in an empty data directory",
    },
  );
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
 * Changes the stored configuration as far as cluster.kat has changed since this
 * node last applied it: what another node has set meanwhile stays.
 *
 * @throws {ConfigChangeError} naming each setting that may not change, with both values.
 */
export async function applySpec(
  store: StateStore,
  { wanted, applied }: AppliedSpecs,
  options: ReadClusterOptions,
): Promise<void> {
  const specs = {
    wanted: sharedSpec(wanted),
    applied: applied && sharedSpec(applied),
  };
  const merged = await retryUntilAvailable(options, async () => {
    const { config } = await readStored(store, options);
    if (config === undefined) return undefined;
    const { spec: stored, damage } = readSpec(config, options);
    refuseFixed(compareSpecs(stored, specs.wanted));
    const merged = merge(stored, specs);
    if (merged.changed.length === 0 && damage === undefined) return merged;
    const isApplied = await store.doTransaction(
      [{ key: CLUSTER_CONFIG_KEY, expectedVersion: config.version }],
      [put(CLUSTER_CONFIG_KEY, encodeSpec(merged.spec))],
      [],
      options,
    );
    if (isApplied) return merged;
    throw new StoreUnavailableError("Another node changed it meanwhile");
  });
  const log = logger("agent");
  for (const { field, stored, wanted } of merged?.changed ?? []) {
    log.info("Changed a setting of the cluster", {
      field: `spec.${field}`,
      from: stored,
      to: wanted,
    });
  }
  for (const { field, stored, wanted } of merged?.kept ?? []) {
    log.warn(
      "cluster.kat and the cluster differ, and the cluster's value holds: it was set on another node, or differs from its file",
      {
        field: `spec.${field}`,
        cluster: stored ?? "none",
        file: wanted ?? "none",
        hint:
          "Put the cluster's value into cluster.kat; or change it in the file of every node, which then applies it at its next init",
      },
    );
  }
}

function merge(
  stored: SharedSpec,
  specs: Parameters<typeof mergeSpecs>[1],
): MergedSpec {
  try {
    return mergeSpecs(stored, specs);
  } catch (cause) {
    if (!(cause instanceof KatError)) throw cause;
    const { wanted } = specs;
    const { message, hint } = cannotMerge({ stored, wanted, cause });
    throw new ConfigChangeError(message, { cause, hint });
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
    [
      SCHEMA_VERSION_KEY,
      CLUSTER_UID_KEY,
      CLUSTER_CONFIG_KEY,
      CLUSTER_NAME_KEY,
    ].map((key) => ({ type: "get", key })),
    [],
    { ...options, results },
  );
  const [schema, uid, config, name] = results;
  const version = schema && decode(schema);
  if (version !== undefined && version !== SCHEMA_VERSION) {
    throw new KatError(
      `Cannot use the store: its schema is version "${version}", and this kat-agent knows ${SCHEMA_VERSION}`,
      { hint: "Use the kat-agent that wrote it, or a newer one" },
    );
  }
  return { uid, name, config };
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
