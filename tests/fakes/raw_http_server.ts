/**
 * An HTTP server that can misbehave: its handler writes the bytes itself.
 *
 * @module
 */

/** What came in. */
export interface RawRequest {
  /** As `GET` or `CONNECT`. */
  readonly method: string;
  /** What stands after the method. */
  readonly target: string;
  /** By lowercase name. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Answers one request; the connection is closed when the promise settles. */
export type RawHandler = (
  request: RawRequest,
  connection: RawConnection,
) => Promise<void>;

/** The way back to the client. */
export interface RawConnection {
  /** Writes a status line, headers, and the beginning of a body or all of it. */
  readonly send: (
    status: string,
    headers?: Readonly<Record<string, string | number>>,
    body?: string | Uint8Array,
  ) => Promise<void>;
  /** Writes more of the body. */
  readonly write: (piece: Uint8Array) => Promise<void>;
  /** Resolves when the client has gone. */
  readonly gone: Promise<void>;
}

/** A running server; disposing closes it with all its connections, once. */
export interface RawHttpServer extends AsyncDisposable {
  /** As `http://127.0.0.1:40001`, without a slash at the end. */
  readonly url: string;
  /** All requests so far. */
  readonly requests: readonly RawRequest[];
}

/** Starts a server on 127.0.0.1. Each connection serves one request. */
export function startRawHttpServer(handler: RawHandler): RawHttpServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests: RawRequest[] = [];
  const connections = new Set<Deno.Conn>();
  const serving: Promise<void>[] = [];
  let closed = false;

  async function serve(connection: Deno.Conn): Promise<void> {
    connections.add(connection);
    try {
      const request = await readRequest(connection);
      if (request === undefined) return;
      requests.push(request);
      await handler(request, rawConnection(connection));
    } catch (error) {
      if (!isDisconnect(error)) throw error;
    } finally {
      connections.delete(connection);
      close(connection);
    }
  }

  const accepting = (async () => {
    for await (const connection of listener) serving.push(serve(connection));
  })();
  return {
    url: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      listener.close();
      for (const connection of connections) close(connection);
      await accepting;
      await Promise.all(serving);
    },
  };
}

async function readRequest(
  connection: Deno.Conn,
): Promise<RawRequest | undefined> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!text.includes("\r\n\r\n")) {
    const count = await connection.read(buffer);
    if (count === null) return undefined;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  const [line = "", ...lines] = text.split("\r\n\r\n", 1)[0]?.split("\r\n") ??
    [];
  const [method = "", target = ""] = line.split(" ");
  const headers = new Map(lines.map((header) => {
    const colon = header.indexOf(":");
    return [
      header.slice(0, colon).toLowerCase(),
      header.slice(colon + 1).trim(),
    ];
  }));
  return { method, target, headers };
}

function rawConnection(connection: Deno.Conn): RawConnection {
  const write = async (piece: Uint8Array) => {
    let written = 0;
    while (written < piece.length) {
      written += await connection.write(piece.subarray(written));
    }
  };
  const encoder = new TextEncoder();
  return {
    write,
    async send(status, headers = {}, body = "") {
      const lines = Object.entries({ connection: "close", ...headers })
        .map(([name, value]) => `${name}: ${value}\r\n`).join("");
      await write(encoder.encode(`HTTP/1.1 ${status}\r\n${lines}\r\n`));
      await write(typeof body === "string" ? encoder.encode(body) : body);
    },
    get gone() {
      return untilGone(connection);
    },
  };
}

async function untilGone(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(1024);
  try {
    while (await connection.read(buffer) !== null);
  } catch (error) {
    if (!isDisconnect(error)) throw error;
  }
}

function isDisconnect(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionReset;
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}
