/**
 * Keys, ranges and key-value pairs between the store and etcd's messages.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { IKeyValue } from "etcd3/lib/rpc.js";
import type { KV } from "../state_store.ts";

/** A range of keys as etcd wants it. */
export interface KeyRange {
  /** The first key. */
  readonly key: Buffer;
  /** The first key that no longer belongs to it. */
  readonly range_end: Buffer;
}

/** The bytes of a key. */
export function keyBytes(key: string): Buffer {
  return Buffer.from(key);
}

/** The range of all keys with a prefix; an empty prefix means all keys. */
export function prefixRange(prefix: string): KeyRange {
  // etcd takes "\0" as the end for "up to the last key".
  if (prefix === "") {
    return { key: Buffer.from([0]), range_end: Buffer.from([0]) };
  }
  const key = keyBytes(prefix);
  // UTF-8 never holds 0xff, so the last byte can always be raised.
  const range_end = Buffer.from(key);
  range_end[range_end.length - 1] = (range_end.at(-1) ?? 0) + 1;
  return { key, range_end };
}

/** A pair as the store gives it. A key that is not UTF-8 is shown with U+FFFD. */
export function toKV(kv: IKeyValue): KV {
  return {
    // A TextDecoder would take a mark of byte order at its beginning away.
    key: kv.key.toString(),
    value: new Uint8Array(kv.value),
    version: BigInt(kv.mod_revision),
  };
}
