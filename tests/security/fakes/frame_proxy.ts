/**
 * A TCP proxy that puts HTTP/2 frames of its own between a server's: what a
 * hostile server can do below gRPC.
 *
 * @module
 */

/** An HTTP/2 frame. */
export interface Http2Frame {
  /** Its type, as 6 for PING. */
  readonly type: number;
  /** Its flags. @default {0} */
  readonly flags?: number;
  /** Its stream. @default {0, the connection} */
  readonly stream?: number;
  /** What it holds. */
  readonly payload: Uint8Array;
}

/** Options of {@linkcode startFrameProxy}. */
export interface FrameProxyOptions {
  /** The server's port. */
  readonly port: number;
  /** What comes after the server's first answer on each connection; an endless source floods. */
  readonly inject: () => Iterable<Http2Frame>;
  /** Whether what the client says then is read. @default {true} */
  readonly reads?: boolean;
}

/** A running proxy; disposing ends it with all its connections. */
export interface FrameProxy extends AsyncDisposable {
  /** The URL to connect to. */
  readonly endpoint: string;
  /** Bytes that were put in so far. */
  readonly injectedBytes: number;
}

const HEADER_BYTES = 9;
/** So many bytes are written at once. */
const CHUNK_BYTES = 64 * 1024;
const DATA = 0;
const HEADERS = 1;

/** The bytes of a frame. */
export function frameBytes(
  { type, flags = 0, stream = 0, payload }: Http2Frame,
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length << 8 | type);
  view.setUint8(4, flags);
  view.setUint32(5, stream);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** Starts the proxy on 127.0.0.1. */
export function startFrameProxy(
  { port, inject, reads = true }: FrameProxyOptions,
): FrameProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const tasks = new Set<Promise<void>>();
  let injectedBytes = 0;

  function track(task: Promise<void>): void {
    const quiet = task.catch(() => {});
    tasks.add(quiet);
    quiet.finally(() => tasks.delete(quiet));
  }

  function close(connection: Deno.Conn): void {
    open.delete(connection);
    try {
      connection.close();
    } catch {
      // It is closed already.
    }
  }

  async function flood(client: Deno.Conn): Promise<void> {
    let chunk: Uint8Array[] = [];
    let size = 0;
    const flush = async () => {
      await writeAll(client, joined(chunk));
      injectedBytes += size;
      chunk = [];
      size = 0;
    };
    for (const frame of inject()) {
      const bytes = frameBytes(frame);
      chunk.push(bytes);
      size += bytes.length;
      if (size >= CHUNK_BYTES) await flush();
    }
    if (size > 0) await flush();
  }

  async function serve(client: Deno.Conn): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    open.add(client).add(server);
    let flooding = false;
    const up = (async (): Promise<void> => {
      for await (const piece of client.readable) {
        if (flooding && !reads) return await new Promise<never>(() => {});
        await writeAll(server, piece);
      }
    })();
    track(up);
    let rest: Uint8Array = new Uint8Array();
    for await (const piece of server.readable) {
      rest = joined([rest, piece]);
      const { whole, after, answers } = split(rest);
      rest = after;
      await writeAll(client, whole);
      if (!answers || flooding) continue;
      flooding = true;
      await flood(client);
    }
    close(client);
  }

  const accepting = (async () => {
    for await (const client of listener) track(serve(client));
  })();
  return {
    endpoint: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    get injectedBytes() {
      return injectedBytes;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting.catch(() => {});
      for (const connection of [...open]) close(connection);
    },
  };
}

/** The whole frames at the beginning of `bytes`, and whether one of them answers a call. */
function split(bytes: Uint8Array): {
  readonly whole: Uint8Array;
  readonly after: Uint8Array;
  readonly answers: boolean;
} {
  let at = 0;
  let answers = false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  while (bytes.length - at >= HEADER_BYTES) {
    const length = view.getUint32(at) >>> 8;
    const type = view.getUint8(at + 3);
    if (bytes.length - at - HEADER_BYTES < length) break;
    answers ||= type === DATA || type === HEADERS;
    at += HEADER_BYTES + length;
  }
  return { whole: bytes.slice(0, at), after: bytes.slice(at), answers };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
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

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await to.write(bytes.subarray(sent));
  }
}
