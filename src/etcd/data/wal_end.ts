/**
 * The last entry of etcd's write-ahead log, read before etcd starts. A member
 * whose log ends before entries that it has confirmed may vote for a leader
 * without them, and confirmed writes are lost.
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

/** Types of records that name an entry of the log. */
const ENTRY = 2n;
const SNAPSHOT = 5n;
/** In an entry its type is field 1, its term 2, its index 3, then its data; in a snapshot its index is 1. */
const ENTRY_INDEX = 3;
const SNAPSHOT_INDEX = 1;
/** The longest head of an entry, which stands before its data. */
const ENTRY_HEAD_BYTES = 64;
/** How much is read at once; a file has 64 MB, most of it not written yet. */
const WINDOW_BYTES = 256 * 1024;

/**
 * Returns the index of the last entry in the log in `dataDir`, etcd's own
 * directory; `undefined` if there is no log, or its format is not understood:
 * etcd itself then reports what is wrong. Changes nothing.
 */
export async function readLastIndex(
  dataDir: string,
): Promise<bigint | undefined> {
  try {
    const path = await lastWalFile(dataDir);
    // A file is named after its number and the index of its first entry.
    const first = path?.match(/-([0-9a-f]{16})\.wal$/)?.[1];
    if (path === undefined || first === undefined) return undefined;
    using file = await openOwn(path);
    const last = await lastEntryIn(file);
    const before = BigInt(`0x${first}`) - 1n;
    return last > before ? last : before;
  } catch {
    return undefined;
  }
}

async function lastEntryIn(file: Deno.FsFile): Promise<bigint> {
  const window = new Uint8Array(WINDOW_BYTES);
  let [start, size] = [0, 0];
  let last = 0n;
  for (let at = 0;;) {
    const wanted = RECORD_HEAD_BYTES + ENTRY_HEAD_BYTES;
    if (at + wanted > start + size) {
      start = await file.seek(at, Deno.SeekMode.Start);
      size = await fill(file, window);
    }
    if (size - (at - start) < RECORD_HEAD_BYTES) return last;
    const rest = window.subarray(at - start, size);
    const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength);
    const { length, padding } = recordHead(view, 0);
    if (length === 0) return last;
    last = endAfter(
      rest.subarray(RECORD_HEAD_BYTES, RECORD_HEAD_BYTES + length),
      last,
    );
    at += RECORD_HEAD_BYTES + length + padding;
  }
}

async function fill(file: Deno.FsFile, window: Uint8Array): Promise<number> {
  let size = 0;
  while (size < window.length) {
    const read = await file.read(window.subarray(size));
    if (read === null) break;
    size += read;
  }
  return size;
}

/** The index at which the log ends after one more record, of which the head is enough. */
function endAfter(record: Uint8Array, last: bigint): bigint {
  const { numbers, bytes } = fieldsOf(record.subarray(0, ENTRY_HEAD_BYTES));
  const type = numbers.get(1);
  const content = bytes.get(3);
  if (content === undefined) return last;
  // An entry replaces the entries from its index on, which were never confirmed.
  // A snapshot holds entries of this log, or came from another member.
  if (type === ENTRY) return fieldsOf(content).numbers.get(ENTRY_INDEX) ?? last;
  if (type !== SNAPSHOT) return last;
  const index = fieldsOf(content).numbers.get(SNAPSHOT_INDEX) ?? 0n;
  return index > last ? index : last;
}
