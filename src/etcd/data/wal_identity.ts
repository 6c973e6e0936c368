/**
 * Which member of which cluster a directory belongs to, read from etcd's
 * write-ahead log before etcd starts: a member that was started on the wrong
 * node tells its cluster a wrong address.
 *
 * @module
 */

import { openOwn } from "../../base/files/open_own.ts";
import {
  fieldsOf,
  lastWalFile,
  RECORD_HEAD_BYTES,
  recordHead,
} from "./wal_record.ts";

/** A member's identity, as hexadecimal digits without leading zeros. */
export interface WalIdentity {
  /** The cluster. */
  readonly clusterId: string;
  /** The member. */
  readonly memberId: string;
}

/** How much is read: a file begins with the records `crc` and `metadata`, each below 64 bytes. */
const HEAD_BYTES = 256;
/** The type of the record that holds the identity. */
const METADATA = 1n;

/**
 * Reads the identity in `dataDir`, etcd's own directory; `undefined` if there is
 * no log, or its format is not understood: etcd itself then reports what is
 * wrong. Changes nothing.
 */
export async function readWalIdentity(
  dataDir: string,
): Promise<WalIdentity | undefined> {
  try {
    const last = await lastWalFile(dataDir);
    if (last === undefined) return undefined;
    using file = await openOwn(last);
    const head = new Uint8Array(HEAD_BYTES);
    const size = await file.read(head) ?? 0;
    return decodeWalHead(head.subarray(0, size));
  } catch {
    return undefined;
  }
}

/**
 * Reads the identity from the first bytes of a log file; `undefined` if they end
 * before it.
 *
 * @throws {RangeError} if they are not those of a log.
 */
export function decodeWalHead(head: Uint8Array): WalIdentity | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  for (let at = 0; at + RECORD_HEAD_BYTES <= head.length;) {
    const { length, padding } = recordHead(view, at);
    const start = at + RECORD_HEAD_BYTES;
    if (length === 0 || start + length > head.length) return undefined;
    const record = fieldsOf(head.subarray(start, start + length));
    if (record.numbers.get(1) === METADATA) {
      const ids = fieldsOf(record.bytes.get(3) ?? new Uint8Array()).numbers;
      const [member, cluster] = [ids.get(1), ids.get(2)];
      return member === undefined || cluster === undefined
        ? undefined
        : { memberId: member.toString(16), clusterId: cluster.toString(16) };
    }
    at = start + length + padding;
  }
  return undefined;
}
