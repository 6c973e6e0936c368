/**
 * Looks at what callers give to a store, before anything is sent: the same on
 * each backend, and in JavaScript too, which knows no types.
 *
 * @module
 */

import {
  type Compare,
  type Op,
  type StoreOptions,
  StoreRequestError,
} from "./state_store.ts";

/** The longest time-out, in milliseconds: some 24 days, what a timer can wait. */
export const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The longest lease, in seconds: its half is waited for by one timer. */
export const LONGEST_LEASE_SECONDS = 2_000_000;

/** The largest revision that a store can have. */
const LARGEST_REVISION = 2n ** 63n - 1n;

/**
 * The options of a call, with a time-out that timers can take: a longer one is
 * shortened to {@linkcode LONGEST_TIMEOUT_MS}, one below zero is over at once.
 *
 * @throws {TypeError} if the time-out is no number.
 */
export function checkedOptions<Options extends StoreOptions>(
  options: Options | undefined,
): Options | undefined {
  const timeoutMs: unknown = options?.timeoutMs;
  if (options === undefined || timeoutMs === undefined) return options;
  if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs)) {
    throw new TypeError(
      `timeoutMs must be a number of milliseconds, not ${shown(timeoutMs)}`,
    );
  }
  if (timeoutMs >= 0 && timeoutMs <= LONGEST_TIMEOUT_MS) return options;
  const bounded = Math.max(0, Math.min(timeoutMs, LONGEST_TIMEOUT_MS));
  return { ...options, timeoutMs: bounded };
}

/**
 * Refuses what cannot be a key; `call` says in the error what was to be done.
 *
 * @throws {TypeError} if it is no string, or holds half a character, which would
 * be stored as another key.
 * @throws {StoreRequestError} if it is empty.
 */
export function checkKey(key: string, call?: "put" | "get" | "delete"): void {
  checkPrefix(key, "A key");
  if (key === "") {
    const what = call === undefined ? "do a transaction" : `${call} ""`;
    throw new StoreRequestError(`Cannot ${what}: a key is empty`);
  }
}

/**
 * Refuses what cannot be the beginning of keys; all keys begin with nothing.
 *
 * @throws {TypeError} as {@linkcode checkKey} does.
 */
export function checkPrefix(prefix: string, what = "A prefix"): void {
  if (typeof prefix !== "string") {
    throw new TypeError(`${what} must be a string, not ${shown(prefix)}`);
  }
  if (!prefix.isWellFormed()) {
    throw new TypeError(
      `${what} must be well-formed: half of a surrogate pair is no character`,
    );
  }
}

/**
 * Refuses what cannot be a value.
 *
 * @throws {TypeError} if it is no Uint8Array, or its bytes were given away.
 */
export function checkValue(value: Uint8Array): void {
  if (!(value instanceof Uint8Array)) {
    throw new TypeError(`A value must be a Uint8Array, not ${shown(value)}`);
  }
  const { buffer } = value;
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw new TypeError("A value must have its bytes: they were transferred");
  }
}

/**
 * Refuses what cannot be a revision; `name` says whose.
 *
 * @throws {TypeError} if it is no bigint.
 * @throws {RangeError} if no store can have it.
 */
export function checkRevision(revision: bigint, name: string): void {
  if (typeof revision !== "bigint") {
    throw new TypeError(`${name} must be a bigint, not ${shown(revision)}`);
  }
  if (revision < 0n || revision > LARGEST_REVISION) {
    throw new RangeError(`${name} must be 0 to 2^63 - 1, not ${revision}`);
  }
}

/** Refuses checks and operations that cannot be sent, as the functions above do. */
export function checkTransaction(
  checks: readonly Compare[],
  ...branches: readonly (readonly Op[])[]
): void {
  for (const { key, expectedVersion } of checks) {
    checkKey(key);
    checkRevision(expectedVersion, "expectedVersion");
  }
  for (const op of branches.flat()) {
    checkKey(op.key);
    if (op.type === "put") checkValue(op.value);
    else if (op.type !== "get" && op.type !== "delete") {
      throw new TypeError(
        `An operation must be a put, get or delete, not ${
          shown((op as { type: unknown }).type)
        }`,
      );
    }
  }
}

/**
 * Refuses what cannot be a campaign.
 *
 * @throws {TypeError} if the ID is no string, or the TTL no number.
 * @throws {RangeError} if no lease can have that TTL.
 */
export function checkCampaign(leaderId: string, ttlSeconds: number): void {
  checkPrefix(leaderId, "A leader's ID");
  if (typeof ttlSeconds !== "number") {
    throw new TypeError(
      `leaseTtlSeconds must be a number, not ${shown(ttlSeconds)}`,
    );
  }
  const fits = Number.isInteger(ttlSeconds) && ttlSeconds >= 1 &&
    ttlSeconds <= LONGEST_LEASE_SECONDS;
  if (!fits) {
    throw new RangeError(
      `leaseTtlSeconds must be a whole number of 1 to ${LONGEST_LEASE_SECONDS}, not ${ttlSeconds}`,
    );
  }
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : `a ${typeof value}`;
}
