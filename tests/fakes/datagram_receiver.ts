/**
 * A unix datagram socket that receives, as systemd and its journal have.
 *
 * @module
 */

/** A receiver; disposing closes it. */
export interface DatagramReceiver extends Disposable {
  /** The next message, as text; waits for it. */
  readonly next: () => Promise<string>;
}

/** Receives at a path, or at `@name` in Linux's abstract namespace. */
export function receiveDatagrams(address: string): DatagramReceiver {
  const socket = Deno.listenDatagram({
    transport: "unixpacket",
    path: address.replace(/^@/, "\0"),
  });
  return {
    async next() {
      const [bytes] = await socket.receive();
      return new TextDecoder().decode(bytes);
    },
    [Symbol.dispose]: () => socket.close(),
  };
}
