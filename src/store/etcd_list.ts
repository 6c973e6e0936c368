/**
 * A list of any size, in pages of one revision.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { IRangeRequest, IRangeResponse } from "etcd3/lib/rpc.js";
import { type KeyRange, toKV } from "./etcd_range.ts";
import { CompactedError, type KV, type Listing } from "./state_store.ts";

/** How many keys the first page may hold; nothing is known of their size yet. */
const FIRST_PAGE = 64;
/**
 * How large a page should be. 4 MiB is decoded in some 10 ms; much more at
 * once would hold up the renewal of leases.
 */
const PAGE_BYTES = 4 * 1024 * 1024;
/** How many keys a page may hold at most, however small. */
const LARGEST_PAGE = 8_192;

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
  let bytes = 0;
  let revision = "0";
  let key = range.key;
  let limit = FIRST_PAGE;
  while (true) {
    const { header, kvs, more } = await page({
      key,
      range_end: range.range_end,
      revision,
      limit,
    });
    if (revision === "0") revision = header.revision;
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
    limit = Math.min(
      LARGEST_PAGE,
      Math.max(1, Math.floor(PAGE_BYTES / (bytes / all.length + 1))),
    );
  }
}
