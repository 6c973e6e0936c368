/**
 * A TCP proxy that leads to one server now and to another later: a port that
 * somebody else took, an address that moved, a load balancer set up wrongly.
 *
 * @module
 */

/** Where connections go. */
export interface ProxyTarget {
  /** The port for HTTP/2, and so for gRPC. */
  readonly port: number;
  /** The port for everything else, as `/health`. @default {port} */
  readonly plainPort?: number;
}

/** A running proxy; disposing ends it with all its connections, once. */
export interface SwitchingProxy extends AsyncDisposable {
  /** The URL to connect to. */
  readonly endpoint: string;
  /** Cuts what is open; new connections go to another target. */
  readonly leadTo: (target: ProxyTarget) => void;
  /** How many connections the present target has got. */
  readonly connections: number;
}

/** Options of {@linkcode startSwitchingProxy}. */
export interface SwitchingProxyOptions extends ProxyTarget {
  /** The port to listen on; if it is taken, the proxy waits for it. @default {0} */
  readonly listenOn?: number;
  /** The address to listen on. @default {"127.0.0.1"} */
  readonly hostname?: string;
}

/** How long a port may stay taken. */
const TAKEN_MS = 60_000;
/** How an HTTP/2 client begins. */
const HTTP2 = "PRI";

/** Starts the proxy, as soon as its port is free. */
export async function startSwitchingProxy(
  { listenOn = 0, hostname = "127.0.0.1", ...first }: SwitchingProxyOptions,
): Promise<SwitchingProxy> {
  const listener = await listen({ hostname, port: listenOn });
  const { port } = listener.addr as Deno.NetAddr;
  const open = new Set<Deno.Conn>();
  const tasks = new Set<Promise<void>>();
  let target: ProxyTarget = first;
  let connections = 0;
  let closed = false;

  function keep(connection: Deno.Conn): Deno.Conn {
    open.add(connection);
    return connection;
  }

  function close(connection: Deno.Conn): void {
    open.delete(connection);
    try {
      connection.close();
    } catch {
      // It is closed already.
    }
  }

  async function pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      while (true) {
        const count = await from.read(buffer);
        if (count === null) break;
        await writeAll(to, buffer.subarray(0, count));
      }
    } catch {
      // One side is gone, or the proxy has cut the connection.
    }
    close(from);
    close(to);
  }

  async function serve(client: Deno.Conn): Promise<void> {
    const { port, plainPort = port } = target;
    try {
      const buffer = new Uint8Array(64 * 1024);
      const count = await client.read(buffer) ?? 0;
      const begin = new TextDecoder().decode(buffer.subarray(0, 3));
      const server = keep(await connect(begin === HTTP2 ? port : plainPort));
      await writeAll(server, buffer.subarray(0, count));
      await Promise.all([pump(client, server), pump(server, client)]);
    } catch {
      close(client);
    }
  }

  const accepting = (async () => {
    for await (const client of listener) {
      connections += 1;
      const task = serve(keep(client));
      tasks.add(task);
      task.finally(() => tasks.delete(task));
    }
  })();
  const cut = () => {
    for (const connection of [...open]) close(connection);
  };
  return {
    endpoint: `http://${hostname}:${port}`,
    leadTo(next) {
      target = next;
      connections = 0;
      cut();
    },
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      listener.close();
      await accepting.catch(() => {});
      cut();
      await Promise.all(tasks);
    },
  };
}

async function connect(port: number): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: "127.0.0.1", port });
}

async function listen(
  address: { readonly hostname: string; readonly port: number },
): Promise<Deno.TcpListener> {
  const endMs = performance.now() + TAKEN_MS;
  while (true) {
    try {
      return Deno.listen(address);
    } catch (error) {
      const isTaken = error instanceof Deno.errors.AddrInUse;
      if (!isTaken || performance.now() > endMs) throw error;
      // As soon as it is free, before its owner is back.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await to.write(bytes.subarray(sent));
  }
}
