/**
 * The errors of a store, made of what etcd refused or did not answer.
 *
 * @module
 */

import {
  AnotherEtcdError,
  EtcdCallError,
} from "../../etcd/client/etcd_call_error.ts";
import {
  AnotherClusterError,
  CompactedError,
  OutcomeUnknownError,
  StoreError,
  StoreRequestError,
  StoreUnavailableError,
} from "../state_store.ts";

const QUOTA_HINT =
  "The etcd database is at its quota: raise spec.etcd.quotaBackendBytes, or delete keys, then compact and defragment with etcdctl";

/**
 * Turns what a call to etcd threw into a {@linkcode StoreError}; an abort
 * reason and a bug stay as they are.
 *
 * `what` says what could not be done, as `put "/a"`.
 */
export function toStoreError(error: unknown, what: string): unknown {
  if (!(error instanceof EtcdCallError)) return error;
  const message = `Cannot ${what}: ${error.message}`;
  if (error instanceof AnotherEtcdError) {
    const { expected, found, outcome } = error;
    return new AnotherClusterError(message, {
      expected,
      found,
      outcome,
      cause: error,
    });
  }
  const hint = error.failure === "no-space" ? QUOTA_HINT : undefined;
  const options = { cause: error, hint };
  if (error.outcome === "unknown") {
    return new OutcomeUnknownError(message, options);
  }
  switch (error.failure) {
    case "unavailable":
      return new StoreUnavailableError(message, options);
    case "compacted":
      return new CompactedError(message, 0n, error);
    case "no-space":
      return new StoreError(message, options);
    case "no-lease":
    case "too-many":
    case "too-large":
    case "large-answer":
    case "another-cluster":
    case "refused":
      return new StoreRequestError(message, options);
  }
}

/**
 * As {@linkcode toStoreError} for a read, or a write that may be repeated: a
 * missing answer leaves nothing open, so it means that the store was unavailable.
 */
export function toRepeatableError(error: unknown, what: string): unknown {
  const mapped = toStoreError(error, what);
  if (mapped instanceof AnotherClusterError) {
    const { message, expected, found } = mapped;
    const outcome = "not-done";
    return new AnotherClusterError(message, {
      expected,
      found,
      outcome,
      cause: error,
    });
  }
  if (!(mapped instanceof OutcomeUnknownError)) return mapped;
  const { message, hint } = mapped;
  return new StoreUnavailableError(message, { cause: error, hint });
}

/** Runs a read, or a write that may be repeated; throws what {@linkcode toRepeatableError} makes of an error. */
export async function idempotent<T>(
  what: string,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toRepeatableError(error, what);
  }
}

/** Runs a write whose missing answer leaves open whether it was done. */
export async function nonIdempotent<T>(
  what: string,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toStoreError(error, what);
  }
}
