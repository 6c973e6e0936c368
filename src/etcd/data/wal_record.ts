/**
 * Reads the records of etcd's write-ahead log.
 *
 * A record is a length of 8 bytes, little-endian, whose top byte holds the
 * padding, and a protobuf message (server/storage/wal/walpb/record.proto and
 * etcdserverpb/raft_internal.proto, unchanged from etcd 2 to 3.7).
 *
 * @module
 */

import { join } from "node:path";
import { namesInOwn } from "../../base/files/read_own.ts";

/** Bytes before each record. */
export const RECORD_HEAD_BYTES = 8;

/** The head of a record. */
export interface RecordHead {
  /** The length of the message; 0 where no record was written yet. */
  readonly length: number;
  /** Bytes between the message and the next head. */
  readonly padding: number;
}

/** Reads the head at the position `at`; all its bytes must be in `view`. */
export function recordHead(view: DataView, at: number): RecordHead {
  // The top byte: its highest bit says that there is padding, its lowest three
  // how many bytes.
  const top = view.getUint8(at + 7);
  return {
    length: view.getUint32(at, true),
    padding: top >= 0x80 ? top & 0x7 : 0,
  };
}

/** Returns the path of the newest log file in etcd's directory `dataDir`; `undefined` if there is none. */
export async function lastWalFile(
  dataDir: string,
): Promise<string | undefined> {
  const wal = join(dataDir, "member", "wal");
  const names = (await namesInOwn(wal)).filter((name) => name.endsWith(".wal"));
  const last = names.at(-1);
  return last === undefined ? undefined : join(wal, last);
}

/** The fields of a protobuf message by their number. */
export interface Fields {
  /** The fields that hold a number. */
  readonly numbers: ReadonlyMap<number, bigint>;
  /** The fields that hold bytes or a message; cut short if the message is. */
  readonly bytes: ReadonlyMap<number, Uint8Array>;
}

/**
 * Reads the fields of a message that holds numbers and bytes only.
 *
 * @throws {RangeError} if it is not such a message, or ends within a number.
 */
export function fieldsOf(message: Uint8Array): Fields {
  const numbers = new Map<number, bigint>();
  const bytes = new Map<number, Uint8Array>();
  let at = 0;
  function varint(): bigint {
    for (let value = 0n, shift = 0n;; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined || shift > 63n) throw new RangeError("Bad number");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
  }
  while (at < message.length) {
    const tag = Number(varint());
    const wireType = tag & 7;
    if (wireType === 0) numbers.set(tag >> 3, varint());
    else if (wireType === 2) {
      const length = Number(varint());
      bytes.set(tag >> 3, message.subarray(at, at + length));
      at += length;
    } else throw new RangeError("Bad field");
  }
  return { numbers, bytes };
}
