/**
 * Messages to a unix datagram socket, as systemd and its journal take them.
 *
 * @module
 */

/** The path of a socket as Deno names it: systemd writes `@name` for an abstract one. */
export function socketPath(address: string): string {
  return address.replace(/^@/, "\0");
}

/** Sends datagrams to one socket. */
export class UnixDatagram implements Disposable {
  readonly #socket: Deno.DatagramConn;
  readonly #receiver: Deno.UnixAddr;

  private constructor(socket: Deno.DatagramConn, receiver: Deno.UnixAddr) {
    this.#socket = socket;
    this.#receiver = receiver;
  }

  /**
   * A sender to `address`: an absolute path, or `@name` for a name in Linux's
   * abstract namespace.
   *
   * @throws {Error} if the address is neither, or there are no such sockets here.
   */
  static open(address: string): UnixDatagram {
    if (!/^[/@]./.test(address)) {
      throw new TypeError(`"${address}" names no unix socket`);
    }
    // An abstract name leaves no file. The kernel would choose one for an empty
    // path, which Deno takes only from programs that may write everywhere.
    const socket = Deno.listenDatagram({
      transport: "unixpacket",
      path: `\0kat-agent-${crypto.randomUUID()}`,
    });
    return new UnixDatagram(socket, {
      transport: "unixpacket",
      path: socketPath(address),
    });
  }

  /**
   * Sends one message; waits while the receiver's queue is full.
   *
   * @throws {Error} if nobody receives there, or the message is too long.
   */
  async send(message: Uint8Array): Promise<void> {
    await this.#socket.send(message, this.#receiver);
  }

  /** Closes the sender; what waits to be sent is lost. */
  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
