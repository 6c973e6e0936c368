/**
 * Reports the state of this service to systemd: the protocol of sd_notify(3),
 * without its library.
 *
 * @module
 */

import { settledWithin } from "../abortable.ts";
import { escapeControls } from "../escape_controls.ts";
import { UnixDatagram } from "./unix_datagram.ts";

/** One message, with the names of sd_notify(3), as `STATUS`. */
export type Notice = Readonly<Record<string, string | number>>;

/** The most messages that wait to be sent; systemd reads them at once unless it hangs. */
const WAITING_LIMIT = 100;
/** How long the end of the program waits until the last message is sent. */
const FLUSH_MS = 1_000;

/** The connection to the systemd that started this process. */
export class ServiceManager implements AsyncDisposable {
  /** The watchdog's period: how often systemd expects a message, in milliseconds; `undefined` if it expects none. */
  readonly watchdogMs: number | undefined;
  readonly #socket: UnixDatagram;
  #waiting = 0;
  #sending: Promise<void> = Promise.resolve();

  private constructor(socket: UnixDatagram, watchdogMs: number | undefined) {
    this.#socket = socket;
    this.watchdogMs = watchdogMs;
  }

  /**
   * Connects to the systemd that `NOTIFY_SOCKET` and `WATCHDOG_…` in `env` name;
   * `undefined` if systemd did not start this process, or expects no messages.
   *
   * @throws {Error} if the socket cannot be used.
   */
  static connect(
    env: Readonly<Record<string, string | undefined>>,
  ): ServiceManager | undefined {
    const { NOTIFY_SOCKET } = env;
    if (!NOTIFY_SOCKET) return undefined;
    return new ServiceManager(
      UnixDatagram.open(NOTIFY_SOCKET),
      watchdogMs(env),
    );
  }

  /** Sends a message after the earlier ones. Never blocks and never fails, because the service must run without it. */
  tell(notice: Notice): void {
    if (this.#waiting >= WAITING_LIMIT) return;
    this.#waiting += 1;
    const text = Object.entries(notice)
      .map(([name, value]) => `${name}=${escapeControls(String(value))}\n`)
      .join("");
    this.#sending = this.#sending
      .then(() => this.#socket.send(new TextEncoder().encode(text)))
      // systemd is being restarted, or has ended.
      .catch(() => {})
      .finally(() => this.#waiting -= 1);
  }

  /** Sends the waiting messages and closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await settledWithin(this.#sending, FLUSH_MS);
    this.#socket[Symbol.dispose]();
  }
}

function watchdogMs(
  { WATCHDOG_USEC, WATCHDOG_PID }: Readonly<Record<string, string | undefined>>,
): number | undefined {
  // The variables were meant for another process, from which this one inherited.
  if (WATCHDOG_PID && WATCHDOG_PID !== String(Deno.pid)) return undefined;
  const ms = Number(WATCHDOG_USEC) / 1000;
  return ms > 0 && Number.isFinite(ms) ? ms : undefined;
}
