/**
 * A list of any size, in pages of one revision.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { IRangeRequest, IRangeResponse } from "etcd3/lib/rpc.js";
import { type KeyRange, toKV } from "./etcd_range.ts";
import {
  CompactedError,
  type KV,
  type Listing,
  StoreUnavailableError,
} from "./state_store.ts";

/** How many keys the first page may hold; nothing is known of their size yet. */
const FIRST_PAGE = 16;
/**
 * How large a page should be. 4 MiB is decoded in some 10 ms; much more at
 * once would hold up the renewal of leases.
 */
const PAGE_BYTES = 4 * 1024 * 1024;
/** How many keys a page may hold at most, however small. */
const LARGEST_PAGE = 1_000;

/** Lists `range` by asking `page` for one part after the other. */
export async function listRange(
  range: KeyRange,
  page: (request: IRangeRequest) => Promise<IRangeResponse>,
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

async function listOnce(
  range: KeyRange,
  page: (request: IRangeRequest) => Promise<IRangeResponse>,
): Promise<Listing> {
  const all: KV[] = [];
  let revision = "0";
  let key = range.key;
  let limit = FIRST_PAGE;
  while (true) {
    const request = { key, range_end: range.range_end, revision, limit };
    let answer: IRangeResponse;
    try {
      answer = await page(request);
    } catch (error) {
      // Perhaps the values became so large that such a page takes too long.
      const smaller = Math.ceil(limit / 8);
      const hopeless = !(error instanceof StoreUnavailableError) ||
        smaller < FIRST_PAGE / 8 || limit === 1;
      if (hopeless) throw error;
      limit = smaller;
      continue;
    }
    const { header, kvs, more } = answer;
    if (revision === "0") revision = header.revision;
    let bytes = 0;
    for (const kv of kvs) {
      all.push(toKV(kv));
      bytes += kv.key.length + kv.value.length;
    }
    const last = kvs.at(-1);
    if (!more || last === undefined) {
      return Object.assign(all, { revision: BigInt(revision) });
    }
    // The smallest key after the last one is the last one with a zero byte.
    key = Buffer.concat([last.key, Buffer.from([0])]);
    const fitting = Math.floor(PAGE_BYTES / (bytes / kvs.length + 1));
    limit = Math.min(LARGEST_PAGE, 2 * limit, Math.max(1, fitting));
  }
}
