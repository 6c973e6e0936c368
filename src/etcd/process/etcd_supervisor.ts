/**
 * Keeps a member running: starts it again when it ends by itself.
 *
 * @module
 */

import { dirname } from "node:path";
import { abortable, Deadline } from "../../base/abortable.ts";
import { Backoff } from "../../base/backoff.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { KatError, messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { inspectEtcdDataDir } from "../data/etcd_data_dir.ts";
import {
  type EtcdProcess,
  type EtcdProcessOptions,
  startEtcd,
} from "./etcd_process.ts";
import type { EtcdExit, EtcdFailure } from "./etcd_process_error.ts";

const log = logger("etcd");

/** The pause after the first exit; it doubles with each. */
const FIRST_PAUSE_MS = 250;
/** The longest pause: soon enough for a person who fixes something and waits. */
const LONGEST_PAUSE_MS = 30_000;
/** A member that runs this long is well: the pauses start anew. */
const STABLE_MS = 60_000;
/** By now the pauses have been their longest twice: what is wrong does not pass by itself. */
const MANY_TIMES = 10;
/** The longest pause from then on; with jitter about a minute. */
const SLOW_PAUSE_MS = 80_000;

/** The reason of a deadline that is only listened to. */
const STABLE = new Error("It has run for a minute");

/** Options of {@linkcode EtcdSupervisor}. */
export interface SupervisorOptions {
  /** Called when the process has ended by itself, was started again, or serves. */
  readonly onState?: ((etcd: EtcdProcess) => void) | undefined;
  /**
   * Called with why the process keeps ending, each time that it did after many in a
   * row; of nothing, once it has run well for a while.
   */
  readonly onKeepsEnding?: ((why: string | undefined) => void) | undefined;
  /** Handed in by tests. */
  readonly clock?: Clock | undefined;
}

/**
 * ```
 *   running ──exits by itself──▶ pausing ──growing, jittered──▶ running
 *      │ ▲                         │  ▲────── cannot be started ──┘
 *      │ └──a stable minute: the pauses start anew
 *      └───────── disposed ────────┴──▶ stopped
 * ```
 *
 * After ten pauses in a row they are all about a minute long. It never gives
 * up: a disk can be fixed or given space under a running agent.
 */
export class EtcdSupervisor implements AsyncDisposable {
  readonly #options: EtcdProcessOptions;
  readonly #stopping = new AbortController();
  readonly #pauses = new Backoff({
    firstMs: FIRST_PAUSE_MS,
    maxMs: LONGEST_PAUSE_MS,
  });
  readonly #slowPauses = new Backoff({
    firstMs: SLOW_PAUSE_MS,
    maxMs: SLOW_PAUSE_MS,
  });
  readonly #onState: SupervisorOptions["onState"];
  readonly #onKeepsEnding: SupervisorOptions["onKeepsEnding"];
  readonly #clock: Clock;
  readonly #loop: Promise<void>;
  #current: EtcdProcess;
  /** What the last one ended by, since it last ran well. */
  #failure: EtcdFailure | undefined;

  /** Takes charge of a process that serves, or is about to. */
  constructor(
    options: EtcdProcessOptions,
    first: EtcdProcess,
    { onState, onKeepsEnding, clock = systemClock }: SupervisorOptions = {},
  ) {
    this.#options = options;
    this.#current = first;
    this.#onState = onState;
    this.#onKeepsEnding = onKeepsEnding;
    this.#clock = clock;
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
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (await this.#untilExit() === undefined) return;
      this.#onState?.(this.#current);
      const { failure, why } = await this.#current.explainExit({
        before: this.#failure,
      });
      this.#failure = failure;
      await this.#pause("etcd is started again", why);
      await this.#restart();
    }
  }

  /** How it ended by itself; `undefined` if this supervisor is to stop. */
  async #untilExit(): Promise<EtcdExit | undefined> {
    using stable = new Deadline(
      STABLE_MS,
      () => STABLE,
      [this.#stopping.signal],
      this.#clock,
    );
    stable.signal.addEventListener("abort", () => {
      if (stable.signal.reason === STABLE) this.#settle();
    });
    return await abortable(this.#current.exited, this.#stopping.signal)
      .catch(() => undefined);
  }

  /** What was wrong is over. */
  #settle(): void {
    if (this.#pauses.attempts >= MANY_TIMES) {
      log.info("etcd runs well again", { pid: this.#current.pid });
      this.#onKeepsEnding?.(undefined);
    }
    this.#failure = undefined;
    this.#pauses.reset();
  }

  /** Says why, and waits: longer each time, and about a minute after many times. */
  async #pause(message: string, reason: string): Promise<void> {
    const soonMs = this.#pauses.nextMs();
    const times = this.#pauses.attempts;
    const isMany = times >= MANY_TIMES;
    const pauseMs = Math.round(isMany ? this.#slowPauses.nextMs() : soonMs);
    const fields = { reason, times, pauseMs };
    if (times === MANY_TIMES) {
      log.error(
        "etcd keeps ending, and from now on is tried about once a minute",
        fields,
      );
    } else if (isMany) log.debug(message, fields);
    else log.warn(message, fields);
    if (isMany) this.#onKeepsEnding?.(reason);
    const { signal } = this.#stopping;
    await this.#clock.sleep(pauseMs, { signal }).catch(() => {});
  }

  /** A member that has served has data; an empty directory would become another cluster's. */
  async #refuseLostData(): Promise<void> {
    const { dataDir } = this.#options.member;
    const { kind, reasons } = await inspectEtcdDataDir(dataDir, {
      within: dirname(dataDir),
    });
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
        await this.#pause(
          "etcd cannot be started and is tried again",
          messageOf(error),
        );
      }
    }
  }
}
