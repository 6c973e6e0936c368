/**
 * What the first attack did not run: archives that mean one thing to one reader
 * and another to the next. Whatever they are, nothing but the programs is written,
 * and what cannot be read ends in an error that says so.
 *
 * @module
 */

import { deepStrictEqual, ok } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { KatError } from "../../src/base/errors.ts";
import { unpackArchive } from "../../src/etcd/release/unpack_archive.ts";
import { makeZip } from "../fakes/archive.ts";
import { tempDir } from "../machine/temp_dir.ts";

const DIRECTORY = "etcd-v3.6.14-linux-amd64";
const NAMES = ["etcd", "etcdctl", "etcdutl"];
const BLOCK = 512;
const GOOD = "server";

/** An entry of a tar, any of its fields as the test wants it. */
interface TarEntry {
  readonly name: string;
  /** The type's character. @default {"0"} */
  readonly type?: string;
  readonly body?: string;
  /** The field of the size, as 12 bytes. @default {the body's, octal} */
  readonly size?: Uint8Array;
  /** Before the name. */
  readonly prefix?: string;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function tarEntry(
  { name, type = "0", body = "", size, prefix = "" }: TarEntry,
): Uint8Array {
  const content = bytesOf(body);
  const padded = Math.ceil(content.length / BLOCK) * BLOCK;
  const bytes = new Uint8Array(BLOCK + padded);
  const put = (text: string, at: number) => bytes.set(bytesOf(text), at);
  put(name.slice(0, 100), 0);
  put("0000755\0", 100);
  put("0000000\0" + "0000000\0", 108);
  put(content.length.toString(8).padStart(11, "0") + "\0", 124);
  if (size) bytes.set(size, 124);
  put("00000000000\0" + "        " + type, 136);
  put("ustar\0" + "00", 257);
  put(prefix, 345);
  const sum = bytes.subarray(0, BLOCK).reduce((all, byte) => all + byte, 0);
  put(sum.toString(8).padStart(6, "0") + "\0 ", 148);
  bytes.set(content, BLOCK);
  return bytes;
}

function tar(...entries: readonly TarEntry[]): Uint8Array {
  const parts = [...entries.map(tarEntry), new Uint8Array(2 * BLOCK)];
  const whole = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function pax(record: string): string {
  let length = record.length + 2;
  while (`${length} ${record}\n`.length !== length) {
    length = `${length} ${record}\n`.length;
  }
  return `${length} ${record}\n`;
}

/** A size as GNU writes large ones: the highest bit, then a number of eleven bytes. */
function base256(...lowest: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes[0] = lowest.length >= 11 ? 0xff : 0x80;
  bytes.set(lowest, 12 - lowest.length);
  return bytes;
}

const etcd: TarEntry = { name: `${DIRECTORY}/etcd`, body: GOOD };

const TARS: Readonly<Record<string, Uint8Array>> = {
  "a path of PAX's that leads outside": tar(
    { name: "x", type: "x", body: pax("path=../../outside") },
    etcd,
  ),
  "a path of PAX's on another file": tar(
    { name: "x", type: "x", body: pax(`path=${DIRECTORY}/etcd`) },
    { name: "README", body: "evil" },
  ),
  "a size of PAX's larger than the header's": tar(
    { name: "x", type: "x", body: pax("size=99999999") },
    etcd,
  ),
  "a size of PAX's below zero": tar(
    { name: "x", type: "x", body: pax("size=-512") },
    etcd,
  ),
  "a link target of PAX's": tar(
    { name: "x", type: "x", body: pax("linkpath=/etc/passwd") },
    { ...etcd, type: "2", body: "" },
  ),
  "a global header of PAX's": tar(
    { name: "g", type: "g", body: pax("path=/etc/passwd") },
    etcd,
  ),
  "a long name of GNU's": tar(
    { name: "././@LongLink", type: "L", body: "../../outside\0" },
    etcd,
  ),
  "a long name of GNU's of 1 GB": tar(
    { name: "././@LongLink", type: "L", size: base256(0x40, 0, 0, 0) },
    etcd,
  ),
  "a size of 2^63": tar({ ...etcd, size: base256(0x80, 0, 0, 0, 0, 0, 0, 0) }),
  "a size below zero": tar({
    ...etcd,
    size: base256(...Array(11).fill(0xff)),
  }),
  "a size that is no number": tar({ ...etcd, size: bytesOf("99999999999\0") }),
  "a sparse file": tar({ ...etcd, type: "S" }),
  "a contiguous file": tar({ ...etcd, type: "7" }),
  "a directory called as the program": tar({ ...etcd, type: "5" }),
  "a name with a slash at its end": tar({ ...etcd, name: `${etcd.name}/` }),
  "a name in two halves": tar({ ...etcd, name: "etcd", prefix: DIRECTORY }),
  "a half that leads outside": tar({ ...etcd, prefix: "../.." }),
  "a name with dots": tar({ ...etcd, name: `${DIRECTORY}/./etcd` }),
  "a name with two slashes": tar({ ...etcd, name: `${DIRECTORY}//etcd` }),
  "an absolute name": tar({ ...etcd, name: `/${DIRECTORY}/etcd` }),
  "a name after a NUL": tar({ ...etcd, name: `${DIRECTORY}/etcd\0/evil` }),
  "a second archive after the end": new Uint8Array([
    ...tar(etcd),
    ...tar({ ...etcd, body: "evil" }),
  ]),
};

async function unpack(
  bytes: Uint8Array,
  extension: "tar.gz" | "zip",
): Promise<{ readonly error: unknown; readonly files: Map<string, string> }> {
  await using dir = await tempDir();
  const into = `${dir.path}/a/b/into`;
  await Deno.mkdir(into, { recursive: true });
  const path = `${dir.path}/archive.${extension}`;
  await Deno.writeFile(path, bytes);
  const error = await unpackArchive(path, {
    directory: DIRECTORY,
    names: NAMES,
    into,
    signal: AbortSignal.timeout(20_000),
  }).then(() => undefined, (error: unknown) => error);
  const files = new Map<string, string>();
  for (const at of [dir.path, `${dir.path}/a`, `${dir.path}/a/b`]) {
    const names = await Array.fromAsync(Deno.readDir(at));
    deepStrictEqual(names.length, at === dir.path ? 2 : 1, "written outside");
  }
  for await (const { name, isFile } of Deno.readDir(into)) {
    ok(isFile, `${name} is no file`);
    files.set(name, await Deno.readTextFile(`${into}/${name}`));
  }
  return { error, files };
}

function assertOnlyPrograms(
  { error, files }: Awaited<ReturnType<typeof unpack>>,
): void {
  ok(error === undefined || error instanceof KatError, `${error}`);
  for (const [name, content] of files) {
    ok(NAMES.includes(name), `it wrote ${name}`);
    if (error === undefined) deepStrictEqual(content, GOOD);
  }
}

for (const [what, bytes] of Object.entries(TARS)) {
  Deno.test(`unpackArchive() writes nothing but the program out of a tar with ${what}`, async () => {
    assertOnlyPrograms(
      await unpack(new Uint8Array(gzipSync(bytes)), "tar.gz"),
    );
  });
}

Deno.test("unpackArchive() reads one gzip stream, and nothing else after it as a program", async () => {
  const one = gzipSync(tar(etcd));
  const evil = gzipSync(tar({ ...etcd, body: "evil" }));
  for (const after of [evil, bytesOf("garbage"), new Uint8Array(1_000)]) {
    assertOnlyPrograms(
      await unpack(new Uint8Array([...one, ...after]), "tar.gz"),
    );
  }
});

/** Changes bytes of a zip after the nth time that `mark` stands in it. */
function patched(
  bytes: Uint8Array,
  { mark, nth = 0, at, set }: {
    readonly mark: number;
    readonly nth?: number;
    readonly at: number;
    readonly set: readonly number[];
  },
): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  let found = 0;
  for (let index = 0; index + 4 <= copy.length; index++) {
    if (view.getUint32(index, true) !== mark || found++ !== nth) continue;
    copy.set(set, index + at);
    return copy;
  }
  throw new Error("The zip has no such part");
}

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const plainZip = makeZip([{ name: `${DIRECTORY}/etcd`, content: GOOD }]);
const [slash, E, e] = bytesOf("/Ee");

const ZIPS: Readonly<Record<string, Uint8Array>> = {
  "another name in its local header": patched(plainZip, {
    mark: LOCAL,
    at: 30,
    set: [slash ?? 0, E ?? 0, e ?? 0],
  }),
  "a flag of encryption": patched(plainZip, {
    mark: CENTRAL,
    at: 8,
    set: [1, 0],
  }),
  "another way of packing": patched(plainZip, {
    mark: CENTRAL,
    at: 10,
    set: [0, 0],
  }),
  "a size of 4 GiB": patched(plainZip, {
    mark: CENTRAL,
    at: 24,
    set: [255, 255, 255, 254],
  }),
  "a size that zip64 should say, and does not": patched(plainZip, {
    mark: CENTRAL,
    at: 24,
    set: [255, 255, 255, 255],
  }),
  "a size smaller than the content": patched(plainZip, {
    mark: CENTRAL,
    at: 24,
    set: [1, 0, 0, 0],
  }),
  "a checksum of something else": patched(plainZip, {
    mark: CENTRAL,
    at: 16,
    set: [1, 2, 3, 4],
  }),
  "an offset behind its end": patched(plainZip, {
    mark: CENTRAL,
    at: 42,
    set: [255, 255, 255, 0],
  }),
  "a directory behind its end": patched(plainZip, {
    mark: END,
    at: 16,
    set: [255, 255, 255, 0],
  }),
  "more entries than it has": patched(plainZip, {
    mark: END,
    at: 8,
    set: [255, 255, 255, 255],
  }),
  "two entries that share their content": patched(
    makeZip([
      { name: `${DIRECTORY}/etcd`, content: GOOD },
      { name: `${DIRECTORY}/etcdctl`, content: GOOD },
    ]),
    { mark: CENTRAL, nth: 1, at: 42, set: [0, 0, 0, 0] },
  ),
  "a name with backslashes": makeZip([{
    name: `${DIRECTORY}\\..\\..\\outside`,
    content: "evil",
  }]),
  "a name after a NUL": makeZip([{
    name: `${DIRECTORY}/etcd\0.txt`,
    content: "evil",
  }]),
  "nothing but its end": plainZip.slice(-22),
};

for (const [what, bytes] of Object.entries(ZIPS)) {
  Deno.test(`unpackArchive() writes nothing but the program out of a zip with ${what}`, async () => {
    assertOnlyPrograms(await unpack(bytes, "zip"));
  });
}
