/**
 * A node as systemd sees it: READY, STATUS, STOPPING, WATCHDOG. Does nothing
 * where systemd did not start this process.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { KatError, messageOf, ShutdownRequested } from "../../base/errors.ts";
import { JOURNAL_SOCKET } from "../../base/systemd/journal.ts";
import { logger } from "../../base/log.ts";
import { ServiceManager } from "../../base/systemd/service_manager.ts";
import { socketPath } from "../../base/systemd/unix_datagram.ts";
import { describeNode, type NodeState, type Report } from "../node_state.ts";
import { Watchdog } from "./watchdog.ts";

/** Options of {@linkcode underSystemd}. */
export interface SystemdOptions {
  /** The environment: `NOTIFY_SOCKET` and `WATCHDOG_…` are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts when the service is to stop. */
  readonly signal: AbortSignal;
}

/** How often more time is asked for while an etcd is searched, in milliseconds; the search bounds itself. */
const EXTEND_EVERY_MS = 10_000;
/** How much of it. */
const EXTEND_BY_MS = 60_000;

/** Does `work`, and tells systemd what it reports and how it ends. */
export async function underSystemd<T>(
  options: SystemdOptions,
  work: (report: Report) => Promise<T>,
): Promise<T> {
  const manager = connect(options);
  if (manager === undefined) return await work(() => {});
  await using _manager = manager;
  await using service = new Service(manager, options.signal);
  try {
    return await work(service.report);
  } catch (error) {
    if (error instanceof KatError) {
      const [first = ""] = error.message.split("\n");
      manager.tell({ STATUS: first });
    }
    throw error;
  }
}

/** The sockets that a service of systemd writes to, as permissions name them. */
export function systemdSockets(
  { env }: Pick<SystemdOptions, "env">,
): string[] {
  const { NOTIFY_SOCKET } = env;
  if (!NOTIFY_SOCKET) return [];
  return [NOTIFY_SOCKET, JOURNAL_SOCKET].map(socketPath);
}

function connect({ env }: SystemdOptions): ServiceManager | undefined {
  try {
    return ServiceManager.connect(env);
  } catch (error) {
    logger("agent").warn("Cannot tell systemd how the node does", {
      reason: messageOf(error),
    });
    return undefined;
  }
}

/**
 * ```
 *   starting: more time while etcd is searched ──▶ ready ──signal──▶ stopping
 *                                                    └─ beats, while the node is well
 * ```
 */
class Service implements AsyncDisposable {
  /** Takes the node's progress. */
  readonly report: Report = (progress) => this.#take(progress);
  readonly #manager: ServiceManager;
  readonly #signal: AbortSignal;
  readonly #ended = new AbortController();
  readonly #watchdog = new Watchdog();
  readonly #beating: Promise<void>;
  #state: NodeState = {};
  #termSince = new Date();
  #shown: string | undefined;
  #wrong: string | undefined;
  #extending: ReturnType<typeof setInterval> | undefined;

  constructor(manager: ServiceManager, signal: AbortSignal) {
    this.#manager = manager;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#stop(), {
      signal: this.#ended.signal,
    });
    this.#beating = this.#beat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    clearInterval(this.#extending);
    await this.#beating;
  }

  #take(progress: NodeState): void {
    if (progress.term && progress.term.fence !== this.#state.term?.fence) {
      this.#termSince = new Date();
    }
    const wasUp = this.#state.isUp;
    this.#state = { ...this.#state, ...progress };
    if (this.#state.isUp && !wasUp) this.#manager.tell({ READY: 1 });
    this.#extendWhile(this.#state.search !== undefined);
    this.#show();
  }

  #extendWhile(searching: boolean): void {
    if (searching === (this.#extending !== undefined)) return;
    clearInterval(this.#extending);
    this.#extending = undefined;
    if (!searching) return;
    const extend = () =>
      this.#manager.tell({ EXTEND_TIMEOUT_USEC: EXTEND_BY_MS * 1000 });
    extend();
    this.#extending = setInterval(extend, EXTEND_EVERY_MS);
  }

  #show(): void {
    if (this.#signal.aborted) return;
    const text = describeNode(this.#state, {
      termSince: this.#termSince,
      now: new Date(),
    });
    const status = this.#wrong ? `${text}; not well: ${this.#wrong}` : text;
    if (status === this.#shown) return;
    this.#shown = status;
    this.#manager.tell({ STATUS: status });
  }

  #stop(): void {
    const { reason } = this.#signal;
    const why = reason instanceof ShutdownRequested
      ? ` on ${reason.signalName}`
      : "";
    this.#manager.tell({ STOPPING: 1, STATUS: `stopping${why}` });
  }

  /** Half of systemd's patience for the pause, a quarter for etcd's answer. */
  async #beat(): Promise<void> {
    const { watchdogMs } = this.#manager;
    if (watchdogMs === undefined) return;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const wrong = await this.#watchdog.unhealthyReason(this.#state, {
        answerMs: watchdogMs / 4,
        signal,
      });
      if (signal.aborted) return;
      if (wrong === undefined) this.#manager.tell({ WATCHDOG: 1 });
      else if (wrong !== this.#wrong) {
        logger("agent").error("The node is not well, and systemd may end it", {
          reason: wrong,
        });
      }
      this.#wrong = wrong;
      this.#show();
      await systemClock.sleep(watchdogMs / 2, { signal }).catch(() => {});
    }
  }
}
