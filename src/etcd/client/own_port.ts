/**
 * The port of the caller's own member, which another program can take while
 * that member does not run.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { notSent } from "./etcd_call_error.ts";

/**
 * Says which etcd of the caller's own holds the port now, by a number that no
 * two of them share; `undefined` if none does.
 */
export type PortHolder = () => Promise<number | undefined>;

/** What {@linkcode OwnPort} is made from. */
export interface OwnPortInit {
  /** The member's client URL, for errors. */
  readonly endpoint: string;
  /** Says who holds the port. */
  readonly holder: PortHolder;
  /** The clock of the pauses. */
  readonly clock: Clock;
}

/** How long to wait until the member holds its port. */
const HELD_MS = 1_000;
/** The pause before it is asked again. */
const CHECK_INTERVAL_MS = 20;
const NOT_HELD = "its port is not held by this node's etcd";

/**
 * Who holds the port, before and after a connection was made. To ask afterwards
 * alone is not enough: a program that had the port between two etcds can keep a
 * connection from then, and speak once the port is the member's again.
 */
export class OwnPort {
  readonly #init: OwnPortInit;

  /** Asks nothing yet. */
  constructor(init: OwnPortInit) {
    this.#init = init;
  }

  /**
   * Resolves with the holder, once there is one.
   *
   * @throws {EtcdCallError} if there is none in time.
   */
  async untilHeld({ signal }: { signal: AbortSignal }): Promise<number> {
    const { endpoint, clock } = this.#init;
    const endMs = clock.nowMs() + HELD_MS;
    while (true) {
      const holder = await this.#holder();
      signal.throwIfAborted();
      if (holder !== undefined) return holder;
      if (clock.nowMs() >= endMs) throw notSent(endpoint, NOT_HELD);
      await clock.sleep(CHECK_INTERVAL_MS, { signal });
    }
  }

  /**
   * Refuses what was connected to since then if another etcd holds the port now.
   *
   * @throws {EtcdCallError} if so.
   */
  async assertStillHeldBy(holder: number): Promise<void> {
    if (await this.#holder() === holder) return;
    throw notSent(this.#init.endpoint, NOT_HELD);
  }

  async #holder(): Promise<number | undefined> {
    const { endpoint, holder } = this.#init;
    return await holder().catch((error) => {
      throw notSent(endpoint, messageOf(error), { cause: error });
    });
  }
}
