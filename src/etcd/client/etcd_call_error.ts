/**
 * What a call to etcd can end with besides an answer, sorted by the one
 * question that matters: may the server have done it?
 *
 * @module
 */

import { status as Code } from "@grpc/grpc-js";
import { KatError, type Outcome } from "../../base/errors.ts";

/** Why a call failed, as far as a caller acts on it. */
export type CallFailure =
  /** No member answered in time, or none can serve now. Trying again may help. */
  | "unavailable"
  /** The revision asked for was compacted away. */
  | "compacted"
  /** The database has reached its quota. */
  | "no-space"
  /** The lease does not exist, or no longer. */
  | "no-lease"
  /** The server takes fewer operations in one transaction. */
  | "too-many"
  /** The server takes smaller requests. */
  | "too-large"
  /** The server understood the request and will never accept it. */
  | "refused";

/** What {@linkcode EtcdCallError} is made from. */
export interface EtcdCallErrorInit {
  /** Why it failed. */
  readonly failure: CallFailure;
  /** Whether it may have taken effect. */
  readonly outcome: Outcome;
  /** The endpoint that was asked, if one was. */
  readonly endpoint?: string | undefined;
  /** The error underneath. */
  readonly cause?: unknown;
}

/** A call to etcd failed. */
export class EtcdCallError extends KatError {
  /** Why it failed. */
  readonly failure: CallFailure;
  /** Whether it may have taken effect. */
  readonly outcome: Outcome;
  /** The endpoint that was asked, as `http://127.0.0.1:2379`; `undefined` if the call ended before. */
  readonly endpoint: string | undefined;

  /** An error with the server's or the transport's words. */
  constructor(message: string, init: EtcdCallErrorInit) {
    super(message, { cause: init.cause });
    this.failure = init.failure;
    this.outcome = init.outcome;
    this.endpoint = init.endpoint;
  }
}

/** What gRPC reports of a failed call. */
interface ServiceError extends Error {
  readonly code: number;
  readonly details: string;
}

/**
 * Status codes with which etcd answers before it proposes anything to raft,
 * so that the request is certainly not done. Everything else after sending
 * (a time-out, a cut connection, `UNKNOWN`) leaves it open.
 */
const NOT_DONE: ReadonlySet<number> = new Set([
  Code.INVALID_ARGUMENT,
  Code.NOT_FOUND,
  Code.ALREADY_EXISTS,
  Code.PERMISSION_DENIED,
  Code.RESOURCE_EXHAUSTED,
  Code.FAILED_PRECONDITION,
  Code.OUT_OF_RANGE,
  Code.UNIMPLEMENTED,
  Code.UNAUTHENTICATED,
]);

/**
 * etcd tells some conditions apart by text alone; these are its own constants
 * (api/v3/v3rpc/rpctypes/error.go), the same from 3.4 to 3.7.
 */
const NO_LEADER = "etcdserver: no leader";
const NO_SPACE = "etcdserver: mvcc: database space exceeded";
const TOO_MANY_REQUESTS = "etcdserver: too many requests";
const NO_LEASE = "etcdserver: requested lease not found";
const TOO_MANY = "etcdserver: too many operations in txn request";
const TOO_LARGE = "etcdserver: request is too large";
/** What the server's gRPC says before etcd sees the request. */
const MESSAGE_TOO_LARGE = "grpc: received message larger than max";
const COMPACTED = "etcdserver: mvcc: required revision has been compacted";

/** Sorts what gRPC reports of a call that had been sent to `endpoint`. */
export function toCallError(error: unknown, endpoint: string): EtcdCallError {
  const { code, details } = error as ServiceError;
  // Over its quota etcd may apply a write and answer with the same words as
  // when it refuses one beforehand.
  const refused = NOT_DONE.has(code) && details !== NO_SPACE;
  const outcome = refused || details === NO_LEADER ? "not-done" : "unknown";
  return new EtcdCallError(`${details} (${endpoint})`, {
    failure: failureOf(code, details),
    outcome,
    endpoint,
    cause: error,
  });
}

function failureOf(code: number, details: string): CallFailure {
  if (details === COMPACTED) return "compacted";
  if (details === NO_SPACE) return "no-space";
  if (details === NO_LEASE) return "no-lease";
  if (details === TOO_MANY_REQUESTS) return "unavailable";
  if (details === TOO_MANY) return "too-many";
  if (details === TOO_LARGE || details.startsWith(MESSAGE_TOO_LARGE)) {
    return "too-large";
  }
  return NOT_DONE.has(code) ? "refused" : "unavailable";
}
