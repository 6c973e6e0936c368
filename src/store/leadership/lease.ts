/**
 * A lease that is renewed, and given up before the store can have ended it.
 *
 * @module
 */

import { abortable, Deadline } from "../../base/abortable.ts";
import { Backoff } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import type { GrantedLease, KeepAlive, LeasePort } from "./election_port.ts";
import {
  type ClockReading,
  type LeaseValidity,
  marginMs,
  readClocks,
  validFrom,
  whyOver,
} from "./lease_validity.ts";
import {
  AnotherClusterError,
  LeadershipLostError,
  type StoreOptions,
  StoreUnavailableError,
} from "../state_store.ts";

/** Options of {@linkcode Lease.grant}. */
export interface LeaseOptions {
  /** Ends the wait for the grant. */
  readonly signal?: AbortSignal | undefined;
  /** The clock that the lease ends by. */
  readonly clock: Clock;
}

/** How long giving a lease back may take; later it expires by itself. */
const RELEASE_MS = 1_000;

/**
 * A lease with its renewal.
 *
 * ```
 *  granted ──reply──▶ valid until sent + TTL − margin ──reply──▶ … later
 *                        │ clock passes it, machine was suspended, store says "gone"
 *                        ▼
 *                       lost (for ever; a new campaign takes a new lease)
 * ```
 *
 * The time of validity is counted from before the request that was answered
 * was *sent*. The backend counts from when it handled that request, which is
 * later, so the lease ends here first. The clock stands still while the machine
 * is suspended; {@linkcode whyOver} finds a suspension by a second clock.
 */
export class Lease {
  /** Names the lease in the store. */
  readonly id: bigint;
  /** The granted time to live, in milliseconds. */
  readonly ttlMs: number;
  readonly #port: LeasePort;
  readonly #clock: Clock;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();
  readonly #log = logger("store");
  readonly #loops: Promise<unknown>;
  #validity: LeaseValidity;

  private constructor(
    port: LeasePort,
    clock: Clock,
    granted: GrantedLease & { readonly sent: ClockReading },
  ) {
    this.id = granted.id;
    this.ttlMs = granted.ttlMs;
    this.#port = port;
    this.#clock = clock;
    this.#validity = validFrom(granted.sent, granted.ttlMs);
    this.#loops = Promise.all([this.#renew(), this.#expire()]);
  }

  /**
   * Takes a lease and starts to renew it.
   *
   * @throws {StoreError} if none is granted.
   */
  static async grant(
    port: LeasePort,
    ttlSeconds: number,
    { clock, signal }: LeaseOptions,
  ): Promise<Lease> {
    const sent = readClocks(clock);
    const granted = await port.grantLease(ttlSeconds, { signal });
    return new Lease(port, clock, { ...granted, sent });
  }

  /**
   * Aborts with a {@linkcode LeadershipLostError} when the lease must be taken
   * for lost. Reading this property reads the clocks, because timers may be late.
   */
  get signal(): AbortSignal {
    if (!this.#lost.signal.aborted) {
      const reason = whyOver(this.#validity, readClocks(this.#clock));
      if (reason !== undefined) this.#lose(reason);
    }
    return this.#lost.signal;
  }

  /** Stops renewing and gives the lease back, as far as the store can be reached. */
  async release(
    { signal, timeoutMs = RELEASE_MS }: StoreOptions = {},
  ): Promise<void> {
    this.#ended.abort();
    await this.#loops;
    try {
      await this.#port.revokeLease(this.id, { signal, timeoutMs });
    } catch (error) {
      this.#log.debug("A lease was left to expire", {
        reason: messageOf(error),
      });
    }
  }

  async #renew(): Promise<void> {
    const signal = AbortSignal.any([this.#ended.signal, this.#lost.signal]);
    const replyMs = Math.min(1_000, this.ttlMs / 5);
    const pauses = new Backoff({ firstMs: 50, maxMs: this.ttlMs / 10 });
    while (!signal.aborted) {
      let opened = false;
      try {
        using stream = await this.#port.openKeepAlive(this.id, {
          signal,
          timeoutMs: replyMs,
        });
        opened = true;
        while (await this.#renewOnce(stream, replyMs, signal)) {
          pauses.reset();
          await this.#clock.sleep(this.ttlMs / 3, { signal });
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof AnotherClusterError) {
          return this.#lose(error.message);
        }
        this.#log.debug("A lease renewal is tried again", {
          reason: messageOf(error),
        });
        // If no stream could be opened, the client has changed to another member.
        if (opened) this.#port.preferNextMember();
        await this.#clock.sleep(pauses.nextMs(), { signal }).catch(() => {});
      }
    }
  }

  /** One renewal; returns false once the lease is lost. */
  async #renewOnce(
    stream: KeepAlive,
    replyMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const sent = readClocks(this.#clock);
    stream.renew();
    using deadline = new Deadline(
      replyMs,
      () => new StoreUnavailableError("A lease renewal was not answered"),
      [signal],
      this.#clock,
    );
    const ttlMs = await abortable(stream.next(), deadline.signal);
    if (!Number.isFinite(ttlMs)) {
      throw new StoreUnavailableError("The lease renewal had no valid TTL");
    }
    if (ttlMs <= 0) this.#lose("the store no longer knows its lease");
    // An answer may come after the end, and must not put it off.
    if (this.signal.aborted) return false;
    // More than was granted is nothing to rely on.
    this.#validity = validFrom(sent, Math.min(ttlMs, this.ttlMs));
    return true;
  }

  async #expire(): Promise<void> {
    const signal = AbortSignal.any([this.#ended.signal, this.#lost.signal]);
    // Checked again each time, because renewals move the end and a timer may fire
    // early. The timer is short, because it stands still in suspend.
    while (!this.signal.aborted && !signal.aborted) {
      const restMs = this.#validity.untilMs - this.#clock.nowMs();
      const checkMs = Math.min(restMs, marginMs(this.ttlMs));
      await this.#clock.sleep(checkMs, { signal }).catch(() => {});
    }
  }

  #lose(reason: string): void {
    if (this.#lost.signal.aborted || this.#ended.signal.aborted) return;
    this.#lost.abort(new LeadershipLostError(reason));
  }
}
