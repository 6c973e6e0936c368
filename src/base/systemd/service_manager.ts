/**
 * What a service tells systemd of itself: sd_notify(3), without its library.
 *
 * @module
 */

import { escapeControls } from "../escape_controls.ts";
import { UnixDatagram } from "./unix_datagram.ts";

/** One message: names as sd_notify(3) has them, as `STATUS`. */
export type Notice = Readonly<Record<string, string | number>>;

/** Messages that may wait for systemd; it takes them at once unless it hangs. */
const WAITING_LIMIT = 100;
/** How long the end of the program waits for the last of them. */
const FLUSH_MS = 1_000;

/** The way to the systemd that started this process. */
export class ServiceManager implements AsyncDisposable {
  /** How often systemd wants a sign of life, in milliseconds; `undefined` if it wants none. */
  readonly watchdogMs: number | undefined;
  readonly #socket: UnixDatagram;
  #waiting = 0;
  #sending: Promise<void> = Promise.resolve();

  private constructor(socket: UnixDatagram, watchdogMs: number | undefined) {
    this.#socket = socket;
    this.watchdogMs = watchdogMs;
  }

  /**
   * Finds systemd by `NOTIFY_SOCKET` and `WATCHDOG_…` in `env`; `undefined` if
   * it did not start this process, or does not ask.
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

  /** Sends a message after those before it. Never waits and never fails: the service does not depend on it. */
  tell(notice: Notice): void {
    if (this.#waiting >= WAITING_LIMIT) return;
    this.#waiting += 1;
    const text = Object.entries(notice)
      .map(([name, value]) => `${name}=${escapeControls(String(value))}\n`)
      .join("");
    this.#sending = this.#sending
      .then(() => this.#socket.send(new TextEncoder().encode(text)))
      // systemd is being replaced, or has gone.
      .catch(() => {})
      .finally(() => this.#waiting -= 1);
  }

  /** Sends what waits and closes the way. */
  async [Symbol.asyncDispose](): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FLUSH_MS);
    });
    await Promise.race([this.#sending, deadline]);
    clearTimeout(timer);
    this.#socket[Symbol.dispose]();
  }
}

function watchdogMs(
  { WATCHDOG_USEC, WATCHDOG_PID }: Readonly<Record<string, string | undefined>>,
): number | undefined {
  // Inherited by a process that is not the one it is meant for.
  if (WATCHDOG_PID && WATCHDOG_PID !== String(Deno.pid)) return undefined;
  const ms = Number(WATCHDOG_USEC) / 1000;
  return ms > 0 && Number.isFinite(ms) ? ms : undefined;
}
