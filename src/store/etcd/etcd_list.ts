/**
 * A list of any size, in pages of one revision.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { IRangeRequest, IRangeResponse } from "etcd3/lib/rpc.js";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import { type KeyRange, toKV } from "./etcd_range.ts";
import {
  CompactedError,
  type KV,
  type Listing,
  StoreUnavailableError,
} from "../state_store.ts";

/** How many keys the first page may hold; nothing is known of their size yet. */
const FIRST_PAGE = 16;
/** How many times as many keys a page may hold as the one before it. */
const GROWTH = 8;
/**
 * How large a page should be. 4 MiB is decoded in some 10 ms; much more at
 * once would hold up the renewal of leases.
 */
const PAGE_BYTES = 4 * 1024 * 1024;
/**
 * How many keys a page may hold in any case, however small: large ones may
 * come after them.
 */
const USUAL_PAGE = 1_000;
/**
 * In about how many pages a long list should come: for each, etcd counts all
 * keys from there to the end.
 */
const FEW_PAGES = 8;
/** How many keys a page may hold of the longest list. */
const LARGEST_PAGE = 10_000;

type AskPage = (request: IRangeRequest) => Promise<IRangeResponse>;

interface Page {
  readonly answer: IRangeResponse;
  /** How many keys it could have held. */
  readonly limit: number;
}

/** Lists `range` by asking `page` for one part after the other. */
export async function listRange(
  range: KeyRange,
  page: AskPage,
): Promise<Listing> {
  while (true) {
    try {
      return await listOnce(range, page);
    } catch (error) {
      // The revision of the first page was compacted before the last was read.
      if (!(error instanceof CompactedError)) throw error;
    }
  }
}

async function listOnce(range: KeyRange, page: AskPage): Promise<Listing> {
  const all: KV[] = [];
  let revision = "0";
  let coming: Promise<Page> | undefined = askPage(
    { ...range, revision, limit: FIRST_PAGE },
    page,
  );
  while (coming) {
    const { answer, limit }: Page = await coming;
    if (revision === "0") revision = answer.header.revision;
    // Asked for first, so that etcd reads the next page while this one is taken in.
    coming = nextPage(answer, { range, revision, limit, page });
    for (const kv of answer.kvs) all.push(toKV(kv));
  }
  return Object.assign(all, { revision: BigInt(revision) });
}

/** The page after `answer`; none if that was the last. */
function nextPage(
  { count, kvs, more }: IRangeResponse,
  { range, revision, limit, page }: {
    readonly range: KeyRange;
    readonly revision: string;
    readonly limit: number;
    readonly page: AskPage;
  },
): Promise<Page> | undefined {
  const last = kvs.at(-1);
  if (!more || last === undefined) return undefined;
  // The smallest key after the last one is the last one with a zero byte.
  const key = Buffer.concat([last.key, Buffer.from([0])]);
  let bytes = 0;
  for (const kv of kvs) bytes += kv.key.length + kv.value.length;
  const fitting = Math.floor(PAGE_BYTES / (bytes / kvs.length + 1));
  const wanted = Math.ceil(Number(count) / FEW_PAGES);
  const most = Math.min(LARGEST_PAGE, Math.max(USUAL_PAGE, wanted));
  return askPage({
    key,
    range_end: range.range_end,
    revision,
    limit: Math.min(most, GROWTH * limit, Math.max(1, fitting)),
  }, page);
}

/** Asks for a page, and for a smaller one where that takes too long or is too large for an answer. */
async function askPage(
  request: IRangeRequest & { readonly limit: number },
  page: AskPage,
): Promise<Page> {
  let { limit } = request;
  while (true) {
    try {
      return { answer: await page({ ...request, limit }), limit };
    } catch (error) {
      if (limit === 1) throw error;
      const smaller = Math.ceil(limit / 8);
      // Perhaps the values became so large that such a page takes too long.
      const mayBeSlow = isLate(error) && smaller >= FIRST_PAGE;
      if (!mayBeSlow && !isTooLarge(error)) throw error;
      limit = smaller;
    }
  }
}

/** Whether a page was asked for, and not answered in time. */
function isLate(error: unknown): boolean {
  const { cause } = error as Error;
  return error instanceof StoreUnavailableError &&
    cause instanceof EtcdCallError && cause.outcome === "unknown";
}

/** Whether a page was more than an answer may be. */
function isTooLarge(error: unknown): boolean {
  const { cause } = error as Error;
  return cause instanceof EtcdCallError && cause.failure === "large-answer";
}
