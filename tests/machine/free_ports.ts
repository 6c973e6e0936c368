/**
 * Ports that the kernel says are free.
 *
 * @module
 */

/**
 * Returns `count` different ports, each free at this moment on every one of `hostnames`.
 *
 * Another process may take one before the caller does; the kernel hands out
 * ephemeral ports in a changing order, so that is rare.
 */
export function freePorts(
  count: number,
  hostnames: readonly string[] = ["127.0.0.1"],
): number[] {
  const listeners: Deno.Listener[] = [];
  const ports: number[] = [];
  try {
    while (ports.length < count) {
      const [first, ...rest] = hostnames;
      const listener = Deno.listen({ hostname: first ?? "127.0.0.1", port: 0 });
      listeners.push(listener);
      const { port } = listener.addr as Deno.NetAddr;
      try {
        for (const hostname of rest) {
          listeners.push(Deno.listen({ hostname, port }));
        }
        ports.push(port);
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      }
    }
  } finally {
    for (const listener of listeners) listener.close();
  }
  return ports;
}
