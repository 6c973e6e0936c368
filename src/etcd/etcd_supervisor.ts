/**
 * Keeps a member running: starts it again when it ends by itself.
 *
 * @module
 */

import { abortable } from "../base/abortable.ts";
import { Backoff } from "../base/backoff.ts";
import { systemClock } from "../base/clock.ts";
import { KatError, messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { inspectEtcdDataDir } from "./etcd_data_dir.ts";
import {
  type EtcdProcess,
  type EtcdProcessOptions,
  startEtcd,
} from "./etcd_process.ts";

/** The pause after the first exit; it doubles with each. */
const FIRST_PAUSE_MS = 250;
/** The longest pause: soon enough for a person who mends something and waits. */
const LONGEST_PAUSE_MS = 30_000;
/** A member that ran this long was well: the pauses start anew. */
const STABLE_MS = 60_000;

/** Options of {@linkcode EtcdSupervisor}. */
export interface SupervisorOptions {
  /** Told when the process has ended by itself, was started again, or serves. */
  readonly onState?: ((etcd: EtcdProcess) => void) | undefined;
}

/**
 * ```
 *   running ──exits by itself──▶ pausing ──growing, jittered──▶ running
 *      └───────── disposed ─────────┴──▶ stopped
 * ```
 */
export class EtcdSupervisor implements AsyncDisposable {
  readonly #options: EtcdProcessOptions;
  readonly #stopping = new AbortController();
  readonly #pauses = new Backoff({
    firstMs: FIRST_PAUSE_MS,
    maxMs: LONGEST_PAUSE_MS,
  });
  readonly #onState: SupervisorOptions["onState"];
  readonly #loop: Promise<void>;
  #current: EtcdProcess;

  /** Takes charge of a process that serves, or is about to. */
  constructor(
    options: EtcdProcessOptions,
    first: EtcdProcess,
    { onState }: SupervisorOptions = {},
  ) {
    this.#options = options;
    this.#current = first;
    this.#onState = onState;
    this.#loop = this.#supervise();
  }

  /** The process that was started last. */
  get current(): EtcdProcess {
    return this.#current;
  }

  /** Stops the member and no longer starts it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error("The member is stopped"));
    await this.#loop;
    await this.#current.stop();
  }

  async #supervise(): Promise<void> {
    const log = logger("etcd");
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const startedMs = systemClock.nowMs();
      const exit = await abortable(this.#current.exited, signal)
        .catch(() => undefined);
      if (exit === undefined) return;
      this.#onState?.(this.#current);
      if (systemClock.nowMs() - startedMs > STABLE_MS) this.#pauses.reset();
      const pauseMs = Math.round(this.#pauses.nextMs());
      log.warn("etcd is started again", {
        reason: (await this.#current.explainExit()).message,
        times: this.#pauses.attempts,
        pauseMs,
      });
      await systemClock.sleep(pauseMs, { signal }).catch(() => {});
      await this.#restart();
    }
  }

  /** A member that has served has data; an empty directory would become another cluster's. */
  async #refuseLostData(): Promise<void> {
    const { dataDir } = this.#options.member;
    const { kind, reasons } = await inspectEtcdDataDir(dataDir);
    if (kind === "member") return;
    const why = reasons.length === 0 ? "it is gone" : reasons.join(", ");
    throw new KatError(
      `Cannot start etcd without its data in "${dataDir}": ${why}`,
    );
  }

  async #restart(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#refuseLostData();
        this.#current = await startEtcd(this.#options, { signal });
        this.#onState?.(this.#current);
        // If it ends before it serves, or never serves, the loop goes on alike.
        await this.#current.waitUntilServing({ signal }).catch(() => {});
        this.#onState?.(this.#current);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const pauseMs = Math.round(this.#pauses.nextMs());
        logger("etcd").error("etcd cannot be started and is tried again", {
          reason: messageOf(error),
          pauseMs,
        });
        await systemClock.sleep(pauseMs, { signal }).catch(() => {});
      }
    }
  }
}
