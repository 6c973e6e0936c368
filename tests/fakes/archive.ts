/**
 * Archives as tests need them, good and hostile, written byte by byte: the
 * makers of real ones refuse to make most of these.
 *
 * @module
 */

import { crc32, deflateRawSync, gzipSync } from "node:zlib";

/** One entry of an archive. */
export interface TestEntry {
  /** The name as it will stand in the archive, whatever it is. */
  readonly name: string;
  /** What kind of file it is. @default {"file"} */
  readonly type?:
    | "file"
    | "directory"
    | "symlink"
    | "hardlink"
    | "device"
    | "fifo";
  /** The content, or where a link points. */
  readonly content?: string | Uint8Array;
}

const TAR_TYPES = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  device: "3",
  directory: "5",
  fifo: "6",
} as const;
const UNIX_KINDS = {
  file: 0o100000,
  hardlink: 0o100000,
  symlink: 0o120000,
  device: 0o020000,
  directory: 0o040000,
  fifo: 0o010000,
} as const;
const BLOCK = 512;

/** Makes a `.tar.gz` in the POSIX ustar format. */
export function makeTarGz(entries: readonly TestEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { name, type = "file", content = "" } of entries) {
    const isLink = type === "symlink" || type === "hardlink";
    const body = isLink ? new Uint8Array() : bytesOf(content);
    parts.push(
      tarHeader({
        name,
        size: body.length,
        type: TAR_TYPES[type],
        target: isLink ? String(content) : "",
      }),
      body,
      new Uint8Array((BLOCK - body.length % BLOCK) % BLOCK),
    );
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Uint8Array(gzipSync(concat(parts)));
}

/** Makes a `.zip` whose entries carry Unix modes. */
export function makeZip(entries: readonly TestEntry[]): Uint8Array {
  const local: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let offset = 0;
  for (const { name, type = "file", content = "" } of entries) {
    const nameBytes = bytesOf(name);
    const body = bytesOf(content);
    const packed = new Uint8Array(deflateRawSync(body));
    // Version 2.0, no flags, deflated, midnight of 1980-01-01.
    const common = fields(
      [20, 2],
      [0, 2],
      [8, 2],
      [0, 2],
      [0x21, 2],
      [crc32(body), 4],
      [packed.length, 4],
      [body.length, 4],
      [nameBytes.length, 2],
      [0, 2],
    );
    const mode = UNIX_KINDS[type] | 0o755;
    local.push(fields([0x04034b50, 4]), common, nameBytes, packed);
    central.push(
      fields([0x02014b50, 4], [3 << 8 | 20, 2]),
      common,
      fields([0, 2], [0, 2], [0, 2], [mode * 0x10000, 4], [offset, 4]),
      nameBytes,
    );
    offset += 4 + common.length + nameBytes.length + packed.length;
  }
  const directory = concat(central);
  return concat([
    ...local,
    directory,
    fields(
      [0x06054b50, 4],
      [0, 2],
      [0, 2],
      [entries.length, 2],
      [entries.length, 2],
      [directory.length, 4],
      [offset, 4],
      [0, 2],
    ),
  ]);
}

interface TarHeader {
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly target: string;
}

function tarHeader({ name, size, type, target }: TarHeader): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const put = (text: string, at: number) => header.set(bytesOf(text), at);
  put(name, 0);
  put("0000755\0", 100);
  put("0000000\0", 108);
  put("0000000\0", 116);
  put(size.toString(8).padStart(11, "0") + "\0", 124);
  put("00000000000\0", 136);
  put("        ", 148);
  put(type, 156);
  put(target, 157);
  put("ustar\0" + "00", 257);
  put("0000000\0", 329);
  put("0000000\0", 337);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(sum.toString(8).padStart(6, "0") + "\0 ", 148);
  return header;
}

/** Little-endian numbers, each with its width in bytes. */
function fields(
  ...pairs: readonly (readonly [value: number, bytes: number])[]
): Uint8Array {
  return Uint8Array.from(
    pairs.flatMap(([value, bytes]) =>
      Array.from(
        { length: bytes },
        (_, index) => Math.floor(value / 2 ** (8 * index)) % 256,
      )
    ),
  );
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string"
    ? new TextEncoder().encode(content)
    : content;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(
    parts.reduce((total, part) => total + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
