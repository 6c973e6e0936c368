/**
 * Sends messages to a unix datagram socket, as systemd and its journal expect
 * them.
 *
 * @module
 */

/** Returns the path of a socket in Deno's form; systemd writes `@name` for an abstract one. */
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
   * Opens a sender to `address`: an absolute path, or `@name` for a name in
   * Linux's abstract namespace.
   *
   * @throws {Error} if the address is neither, or this system has no such sockets.
   */
  static open(address: string): UnixDatagram {
    if (!/^[/@]./.test(address)) {
      throw new TypeError(`"${address}" is not the name of a unix socket`);
    }
    // An abstract name leaves no file. With an empty path the kernel would choose
    // one, but Deno accepts that only from programs that may write every file.
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
   * @throws {Error} if no program receives there, or the message is too long.
   */
  async send(message: Uint8Array): Promise<void> {
    await this.#socket.send(message, this.#receiver);
  }

  /** Closes the sender; messages that wait to be sent are lost. */
  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
