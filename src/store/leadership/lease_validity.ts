/**
 * Until when a lease is valid, as arithmetic: nothing here reads a clock or waits.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";

/** The machine's clocks, read at one moment. */
export interface ClockReading {
  /** {@linkcode Clock.nowMs}: stands still while the machine is suspended. */
  readonly nowMs: number;
  /** {@linkcode Clock.bootMs}: counts while the machine is suspended; exact to the second only. */
  readonly bootMs: number | undefined;
}

/** Reads both clocks. */
export function readClocks(clock: Clock): ClockReading {
  return { nowMs: clock.nowMs(), bootMs: clock.bootMs?.() };
}

/** The validity of a lease by one answered request. */
export interface LeaseValidity {
  /** The clocks when that request was sent. */
  readonly sent: ClockReading;
  /** The end, on {@linkcode Clock.nowMs}. */
  readonly untilMs: number;
}

/**
 * How much the two clocks may differ without a suspension: rounding to the
 * second is less than 1 s, and the rest is for slewing.
 */
const CLOCK_SLACK_MS = 1_100;

/**
 * The validity after an answer that grants `ttlMs` to a request sent at `sent`.
 *
 * The store counts from when it handled the request, which is later. The margin
 * covers what two quartz clocks drift in one TTL, and the time until an abort
 * is noticed.
 */
export function validFrom(sent: ClockReading, ttlMs: number): LeaseValidity {
  return { sent, untilMs: sent.nowMs + ttlMs - marginMs(ttlMs) };
}

/** How long before its end a lease is given up. */
export function marginMs(ttlMs: number): number {
  return Math.max(500, ttlMs / 10);
}

/** Why the lease must be taken for lost at `now`; `undefined` while it holds. */
export function whyOver(
  { sent, untilMs }: LeaseValidity,
  now: ClockReading,
): string | undefined {
  if (now.nowMs >= untilMs) return "its lease could not be renewed in time";
  if (sent.bootMs === undefined || now.bootMs === undefined) return undefined;
  const suspendedMs = (now.bootMs - sent.bootMs) - (now.nowMs - sent.nowMs);
  return suspendedMs > CLOCK_SLACK_MS ? "the machine was suspended" : undefined;
}
