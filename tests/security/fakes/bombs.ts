/**
 * Answers that are small on the wire and large in memory, or never end.
 *
 * @module
 */

import { createGzip } from "node:zlib";
import { frame } from "./etcd_messages.ts";
import type { Lie } from "./hostile_etcd.ts";

const MIB = 1024 ** 2;

/** So many zeros, compressed. */
async function zeros(
  bytes: number,
  format: "gzip" | "deflate",
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  if (format === "gzip") {
    const gzip = createGzip({ level: 1 });
    gzip.on("data", (piece: Uint8Array) => pieces.push(piece));
    const done = new Promise<void>((resolve) => gzip.on("end", resolve));
    for (let at = 0; at < bytes; at += MIB) gzip.write(new Uint8Array(MIB));
    gzip.end();
    await done;
  } else {
    const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        if (bytes <= 0) return controller.close();
        controller.enqueue(new Uint8Array(MIB));
        bytes -= MIB;
      },
    });
    for await (
      const piece of source.pipeThrough(new CompressionStream("deflate"))
    ) pieces.push(piece);
  }
  return new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
}

/** An answer that is a field of so many bytes once it is unpacked. */
export async function compressedBomb(
  bytes: number,
  format: "gzip" | "deflate",
): Promise<Lie> {
  return {
    headers: { "grpc-encoding": format },
    raw: [frame(await zeros(bytes, format), { compressed: true })],
  };
}

/** A message that says it has 4 GiB, of which so many bytes come. */
export function announcedBomb(bytes: number): Lie {
  return { raw: announced(bytes), staysOpen: true };
}

async function* announced(bytes: number): AsyncGenerator<Uint8Array> {
  yield frame(new Uint8Array(), { announced: 2 ** 32 - 1 });
  const piece = new Uint8Array(MIB);
  for (let at = 0; at < bytes; at += MIB) {
    yield piece;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Message after message on a call that has one answer, so many bytes in all. */
export function manyMessages(message: Uint8Array, bytes: number): Lie {
  return { raw: repeated(message, bytes), staysOpen: true };
}

async function* repeated(
  message: Uint8Array,
  bytes: number,
): AsyncGenerator<Uint8Array> {
  const one = frame(message);
  for (let at = 0; at < bytes; at += one.length) {
    yield one;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
