/**
 * What a power cut does to an etcd that does not wait for its disk.
 *
 * @module
 */

/**
 * Makes the data directory of an etcd that has ended as if the last records of
 * its log had never reached the disk, nor any page of its database.
 *
 * etcd makes log files of 64 MB beforehand: zeros are where the log ends. From
 * what is before them it makes the database anew.
 *
 * @throws {Error} if the log does not hold as many.
 */
export async function loseWalTail(
  dataDir: string,
  { records }: { readonly records: number },
): Promise<void> {
  const wal = `${dataDir}/member/wal`;
  const logs = (await Array.fromAsync(Deno.readDir(wal)))
    .map(({ name }) => name).filter((name) => name.endsWith(".wal")).sort();
  const path = `${wal}/${logs.at(-1)}`;
  const content = await Deno.readFile(path);
  const starts = recordStarts(content);
  const start = starts.at(-records);
  if (start === undefined) {
    throw new Error(`The log has ${starts.length} records only`);
  }
  await Deno.writeFile(path, content.fill(0, start));
  await Deno.remove(`${dataDir}/member/snap/db`);
}

/**
 * Where each record begins. A record has 8 bytes, little-endian: its length in
 * the lower 56 bits, above them 0x80 and how many zeros fill it up to 8 bytes
 * if there are any (etcd, server/storage/wal/encoder.go).
 */
function recordStarts(content: Uint8Array): number[] {
  const view = new DataView(content.buffer, content.byteOffset);
  const starts: number[] = [];
  for (let at = 0; at + 8 <= content.length;) {
    const field = view.getBigUint64(at, true);
    if (field === 0n) break;
    starts.push(at);
    const length = Number(field & 0xff_ffff_ffff_ffffn);
    const filled = field >> 63n === 1n ? Number((field >> 56n) & 7n) : 0;
    at += 8 + length + filled;
  }
  return starts;
}
