/**
 * Messages to a unix datagram socket, as systemd and its journal take them.
 *
 * @module
 */

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
    // Without a path of its own the sender gets a free abstract name from the
    // kernel, and leaves no file.
    const socket = Deno.listenDatagram({ transport: "unixpacket", path: "" });
    return new UnixDatagram(socket, {
      transport: "unixpacket",
      path: address.replace(/^@/, "\0"),
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
