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
  /** The answer is larger than what is taken; a smaller part may be asked for. */
  | "large-answer"
  /** What answered is of another cluster. */
  | "another-cluster"
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

/** What {@linkcode AnotherEtcdError} is made from. */
export interface AnotherEtcdErrorInit {
  /** The cluster that was asked, in hexadecimal digits. */
  readonly expected: string;
  /** The cluster that answered, in hexadecimal digits. */
  readonly found: string;
  /** The endpoint that was asked. */
  readonly endpoint: string;
  /** Whether the request may have taken effect. */
  readonly outcome: Outcome;
}

/** An etcd of another cluster answered; its answer was not taken. */
export class AnotherEtcdError extends EtcdCallError {
  /** The cluster that was asked, in hexadecimal digits. */
  readonly expected: string;
  /** The cluster that answered, in hexadecimal digits. */
  readonly found: string;

  /** An error that names both clusters. */
  constructor({ expected, found, endpoint, outcome }: AnotherEtcdErrorInit) {
    super(
      `The etcd at ${endpoint} is of cluster ${found}, and not of cluster ${expected} as before`,
      { failure: "another-cluster", outcome, endpoint },
    );
    this.expected = expected;
    this.found = found;
  }
}

/** The error of a call that was not sent, because there was no connection to send it on. */
export function notSent(
  endpoint: string,
  why: string,
  { cause }: { readonly cause?: unknown } = {},
): EtcdCallError {
  return new EtcdCallError(`Cannot reach etcd at ${endpoint}: ${why}`, {
    failure: "unavailable",
    outcome: "not-done",
    endpoint,
    cause,
  });
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
/** What this side's gRPC says of an answer: the request may have been done. */
const ANSWER_TOO_LARGE =
  /^Received message (larger than max|that decompresses to a size larger)/;
const COMPACTED = "etcdserver: mvcc: required revision has been compacted";

/**
 * What this side's gRPC says of an answer that has no message or too many, with
 * a code by which etcd refuses: the request may have been done.
 */
const NO_ANSWER: ReadonlySet<string> = new Set([
  "No message received",
  "Too many responses received",
]);

/** Sorts what gRPC reports of a call that had been sent to `endpoint`. */
export function toCallError(error: unknown, endpoint: string): EtcdCallError {
  const { code, details } = error as ServiceError;
  // Over its quota etcd may apply a write and answer with the same words as
  // when it refuses one beforehand.
  const refused = NOT_DONE.has(code) && details !== NO_SPACE &&
    !NO_ANSWER.has(details) && !ANSWER_TOO_LARGE.test(details);
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
  if (ANSWER_TOO_LARGE.test(details)) return "large-answer";
  const refused = NOT_DONE.has(code) && !NO_ANSWER.has(details);
  return refused ? "refused" : "unavailable";
}
