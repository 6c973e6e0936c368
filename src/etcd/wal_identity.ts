/**
 * Whose data a directory holds, read from etcd's write-ahead log before etcd
 * starts: once it runs, a member in the wrong place tells its cluster a wrong
 * address.
 *
 * Each log file begins with the records `crc` and `metadata`. A record is a
 * length of 8 bytes, little-endian, whose top byte tells the padding, and a
 * protobuf message (server/storage/wal/walpb/record.proto and
 * etcdserverpb/raft_internal.proto, unchanged from etcd 2 to 3.7).
 *
 * @module
 */

import { join } from "node:path";

/** A member's identity, as hexadecimal digits without leading zeros. */
export interface WalIdentity {
  /** The cluster. */
  readonly clusterId: string;
  /** The member. */
  readonly memberId: string;
}

/** Both first records have less than 64 bytes. */
const HEAD_BYTES = 256;
/** The type of the record that holds the identity. */
const METADATA = 1n;

/**
 * Reads the identity in `dataDir`, etcd's own directory; `undefined` if there
 * is no log, or it cannot be made out: etcd has the last word on what it holds.
 * Changes nothing.
 */
export async function readWalIdentity(
  dataDir: string,
): Promise<WalIdentity | undefined> {
  try {
    const wal = join(dataDir, "member", "wal");
    const names = (await Array.fromAsync(Deno.readDir(wal)))
      .map(({ name }) => name).filter((name) => name.endsWith(".wal")).sort();
    const last = names.at(-1);
    if (last === undefined) return undefined;
    using file = await Deno.open(join(wal, last), { read: true });
    const head = new Uint8Array(HEAD_BYTES);
    const size = await file.read(head) ?? 0;
    return decodeWalHead(head.subarray(0, size));
  } catch {
    return undefined;
  }
}

/**
 * Reads the identity from the first bytes of a log file; `undefined` if they
 * end before it.
 *
 * @throws {RangeError} if they are none of a log.
 */
export function decodeWalHead(head: Uint8Array): WalIdentity | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  for (let at = 0; at + 8 <= head.length;) {
    const length = view.getUint32(at, true);
    // Seven bits of the top byte: its own mark, and how many bytes pad.
    const top = view.getUint8(at + 7);
    const padding = top >= 0x80 ? top & 0x7 : 0;
    const start = at + 8;
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

/** A protobuf message's fields by number. */
interface Fields {
  readonly numbers: ReadonlyMap<number, bigint>;
  readonly bytes: ReadonlyMap<number, Uint8Array>;
}

/**
 * Takes a message apart that has numbers and bytes only.
 *
 * @throws {RangeError} if it is none.
 */
function fieldsOf(message: Uint8Array): Fields {
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
