/**
 * A program that takes a port, accepts connections without a word, gives the
 * port back to its owner and keeps the connections: who connected before cannot
 * tell from the port alone to whom.
 *
 * @module
 */

/** A running thief; disposing ends it with all its connections. */
export interface HoldingThief extends AsyncDisposable {
  /** How many connections of gRPC it holds. */
  readonly held: number;
  /** Gives the port back; connections stay. */
  readonly giveBack: () => Promise<void>;
  /** Lets another server speak on the connections from now on. */
  readonly speakAs: (port: number) => void;
}

/** How an HTTP/2 client begins. */
const HTTP2 = "PRI";
/** How long a port may stay taken. */
const TAKEN_MS = 60_000;

/** Takes a port of 127.0.0.1 as soon as it is free. */
export async function startHoldingThief(port: number): Promise<HoldingThief> {
  const listener = await listen(port);
  const open = new Set<Deno.Conn>();
  const held: { readonly client: Deno.Conn; readonly first: Uint8Array }[] = [];

  function close(connection: Deno.Conn): void {
    open.delete(connection);
    try {
      connection.close();
    } catch {
      // It is closed already.
    }
  }

  async function hold(client: Deno.Conn): Promise<void> {
    open.add(client);
    const buffer = new Uint8Array(64 * 1024);
    const count = await client.read(buffer).catch(() => null) ?? 0;
    const first = buffer.slice(0, count);
    if (new TextDecoder().decode(first.subarray(0, 3)) !== HTTP2) {
      return close(client);
    }
    held.push({ client, first });
  }

  async function pipe(
    client: Deno.Conn,
    { port, first }: { readonly port: number; readonly first: Uint8Array },
  ): Promise<void> {
    try {
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      open.add(server);
      await server.write(first);
      await Promise.all([
        client.readable.pipeTo(server.writable),
        server.readable.pipeTo(client.writable),
      ]);
    } catch {
      close(client);
    }
  }

  const accepting = (async () => {
    for await (const client of listener) void hold(client);
  })().catch(() => {});
  let isListening = true;
  async function giveBack(): Promise<void> {
    if (isListening) listener.close();
    isListening = false;
    await accepting;
  }
  return {
    get held() {
      return held.length;
    },
    giveBack,
    speakAs(port) {
      for (const { client, first } of held) void pipe(client, { port, first });
    },
    async [Symbol.asyncDispose]() {
      await giveBack();
      for (const connection of [...open]) close(connection);
    },
  };
}

async function listen(port: number): Promise<Deno.TcpListener> {
  const endMs = performance.now() + TAKEN_MS;
  while (true) {
    try {
      return Deno.listen({ hostname: "127.0.0.1", port });
    } catch (error) {
      const isTaken = error instanceof Deno.errors.AddrInUse;
      if (!isTaken || performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}
