/**
 * Whether an answer has the shape of what was asked for: the parts, their
 * number and their kind. What a server says is data and may be anything.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type {
  IEvent,
  IKeyValue,
  IRangeRequest,
  IRangeResponse,
  IRequestOp,
  IResponseOp,
  ITxnRequest,
  ITxnResponse,
} from "etcd3/lib/rpc.js";

/** An answer of any call, as far as all have it in common. */
export interface Answer {
  /** Its head. */
  readonly header: {
    readonly cluster_id: string;
    readonly revision: string;
  };
}

type Fields = Readonly<Record<string, unknown>>;
type Check = (answer: Fields, request: Fields) => string | undefined;

/** Methods whose answers etcd sends without a header. */
const WITHOUT_HEADER: ReadonlySet<string> = new Set(["defragment"]);
/** A number that is not below zero, as the decoder writes it. */
const DIGITS = /^\d+$/;

const CHECKS: Readonly<Record<string, Check>> = {
  range: (answer, request) =>
    wrongRange(answer as unknown as IRangeResponse, request),
  txn: (answer, request) =>
    wrongTransaction(answer as unknown as ITxnResponse, request),
  leaseGrant: ({ ID, TTL }) =>
    isPositive(ID) && isPositive(TTL) ? undefined : "no lease",
  leaseKeepAlive: ({ ID, TTL }) =>
    isPositive(ID) && isNumber(TTL) ? undefined : "no lease",
  memberList: ({ members }) => wrongMembers(members as readonly Fields[]),
  status: ({ version, leader, raftIndex }) =>
    version !== "" && isNumber(leader) && isNumber(raftIndex)
      ? undefined
      : "no status",
  watch: ({ events, compact_revision }) =>
    isNumber(compact_revision) ? wrongEvents(events) : "no compacted revision",
};

/** What is wrong with the answer to a call, or with a message of a stream; `undefined` if nothing is. */
export function wrongShape(
  method: string,
  { request, answer }: { readonly request: unknown; readonly answer: unknown },
): string | undefined {
  const fields = answer as Fields | undefined;
  if (fields === undefined) return "no message";
  const header = fields.header as Answer["header"] | null;
  if (header === null) {
    return WITHOUT_HEADER.has(method) ? undefined : "no header";
  }
  if (!isPositive(header.cluster_id)) return "no cluster in its header";
  if (!isNumber(header.revision)) return "no revision in its header";
  return CHECKS[method]?.(fields, request as Fields);
}

/** Whether the answer says that something was written, which takes a revision of its own. */
export function hasWritten(method: string, answer: unknown): boolean {
  if (method === "put") return true;
  if (method === "deleteRange") {
    return (answer as { deleted: string }).deleted !== "0";
  }
  return method === "txn" &&
    (answer as ITxnResponse).responses.some(
      ({ response_put, response_delete_range: deletion }) =>
        response_put || deletion && deletion.deleted !== "0",
    );
}

function wrongRange(
  { kvs, count }: IRangeResponse,
  { key, range_end, limit, sort_target, count_only }: IRangeRequest,
): string | undefined {
  const most = range_end === undefined ? 1 : Number(limit ?? 0) || Infinity;
  if (kvs.length > most || count_only && kvs.length > 0) {
    return "more keys than asked for";
  }
  if (!isNumber(count)) return "no number of keys";
  for (const kv of kvs) {
    const why = wrongKV(kv);
    if (why !== undefined) return why;
  }
  const [first] = kvs;
  const last = kvs.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const from = Buffer.from(key as Uint8Array);
  // A page that goes back would make a list without end.
  const isOther = range_end === undefined
    ? !from.equals(first.key)
    : sort_target === undefined &&
      (from.compare(first.key) > 0 || Buffer.compare(first.key, last.key) > 0);
  return isOther ? "other keys than asked for" : undefined;
}

function wrongKV(kv: IKeyValue): string | undefined {
  if (kv.key.length === 0) return "no key";
  return isPositive(kv.mod_revision) && isPositive(kv.create_revision) &&
      isNumber(kv.lease)
    ? undefined
    : "no revision of a key";
}

function wrongTransaction(
  { succeeded, responses }: ITxnResponse,
  { success = [], failure = [] }: ITxnRequest,
): string | undefined {
  const asked = succeeded ? success : failure;
  if (responses.length !== asked.length) return "another number of parts";
  for (const [index, response] of responses.entries()) {
    const why = wrongPart(response, asked[index] as IRequestOp);
    if (why !== undefined) return why;
  }
  return undefined;
}

function wrongPart(
  response: IResponseOp,
  { request_range, request_put, request_txn }: IRequestOp,
): string | undefined {
  if (request_range) {
    const range = response.response_range;
    return range ? wrongRange(range, request_range) : "a part of another kind";
  }
  if (request_put) {
    return response.response_put ? undefined : "a part of another kind";
  }
  return request_txn || response.response_delete_range
    ? undefined
    : "a part of another kind";
}

function wrongMembers(members: readonly Fields[]): string | undefined {
  if (members.length === 0) return "no members";
  return members.every(({ ID }) => isPositive(ID))
    ? undefined
    : "a member without an ID";
}

function wrongEvents(events: unknown): string | undefined {
  let before = "0";
  for (const { type, kv } of events as readonly IEvent[]) {
    if (type !== "Put" && type !== "Delete") return "an event of no known type";
    if (!kv || kv.key.length === 0) return "an event without a key";
    const { mod_revision } = kv;
    if (!isPositive(mod_revision)) return "an event without a revision";
    if (isBelow(mod_revision, before)) return "events out of order";
    before = mod_revision;
  }
  return undefined;
}

/** Compares two numbers in decimal digits. */
export function isBelow(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length;
}

function isNumber(value: unknown): boolean {
  return typeof value === "string" && DIGITS.test(value);
}

function isPositive(value: unknown): boolean {
  return value !== "0" && isNumber(value);
}
