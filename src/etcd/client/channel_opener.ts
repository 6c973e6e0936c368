/**
 * Opens the channel to one member, and finds out whose member it is before
 * anything else is sent there.
 *
 * @module
 */

import { connectivityState, Metadata } from "@grpc/grpc-js";
import { abortable, Deadline } from "../../base/abortable.ts";
import type { Clock } from "../../base/clock.ts";
import { keepAnchored } from "./anchor_stream.ts";
import { EtcdCallError, notSent } from "./etcd_call_error.ts";
import { type MemberCalls, wallClock } from "./member_calls.ts";
import { MemberChannel } from "./member_channel.ts";
import type { OwnPort } from "./own_port.ts";

/** What {@linkcode ChannelOpener} is made from. */
export interface ChannelOpenerInit {
  /** The member's client URL. */
  readonly endpoint: string;
  /** Sends the question whose member it is. */
  readonly calls: MemberCalls;
  /** The member's port, if it is the caller's own. */
  readonly ownPort?: OwnPort | undefined;
  /** How large an answer may be. */
  readonly largestAnswerBytes: number;
  /** The metadata of streams. */
  readonly metadata: Metadata;
  /** The clock of deadlines and pauses. */
  readonly clock: Clock;
}

/** Options of {@linkcode ChannelOpener.open}. */
export interface OpenOptions {
  /** How long to wait at most, in milliseconds; no longer than a second in any case. */
  readonly timeoutMs: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** How long to wait for a connection before the next member is asked. */
const CONNECT_MS = 1_000;
/**
 * How long one connection may take, in which a lost packet is sent a third
 * time. A server that takes connections and says nothing holds none for longer.
 */
const OPENING_MS = 5_000;

/**
 * ```
 *   closed ──used──▶ connecting ──▶ checking ──its cluster──▶ open ──lost──▶ closed
 *     ▲                  └─────────────┴──no──┐
 *     └───────────────────────────────────────┘
 * ```
 *
 * All who wait for the channel share one attempt.
 */
export class ChannelOpener implements Disposable {
  readonly #init: ChannelOpenerInit;
  readonly #closed = new AbortController();
  #opening: Promise<MemberChannel> | undefined;
  /** What is connecting, or being checked. */
  #next: MemberChannel | undefined;
  /** Who held the own port before that was begun. */
  #holder: number | undefined;
  #current: MemberChannel | undefined;

  /** Connects to nothing yet. */
  constructor(init: ChannelOpenerInit) {
    this.#init = init;
  }

  /** The open channel, if there is one. */
  get current(): MemberChannel | undefined {
    return this.#current?.isOver ? undefined : this.#current;
  }

  /**
   * Resolves with an open channel; what fails before that is certainly not done.
   *
   * @throws {AnotherEtcdError} if another cluster answers.
   * @throws {EtcdCallError} if there is no connection in time.
   */
  async open({ timeoutMs, signal }: OpenOptions): Promise<MemberChannel> {
    if (this.#closed.signal.aborted) throw this.#closedError();
    if (this.current) return this.current;
    if (this.#opening === undefined) {
      const opening = this.#opening = this.#openNext().finally(() => {
        this.#opening = undefined;
      });
      // All who waited for it may have gone.
      opening.catch(() => {});
    }
    using deadline = new Deadline(
      Math.min(timeoutMs, CONNECT_MS),
      () => this.#notSent("no connection in time"),
      [signal],
      this.#init.clock,
    );
    return await abortable(this.#opening, deadline.signal);
  }

  /** Closes the channel; nothing can be opened any more. */
  [Symbol.dispose](): void {
    this.#closed.abort(this.#closedError());
    this.#next?.[Symbol.dispose]();
    this.#current?.[Symbol.dispose]();
  }

  /** Opens one channel for all who wait. */
  async #openNext(): Promise<MemberChannel> {
    const { ownPort } = this.#init;
    const holder = await ownPort?.untilHeld({ signal: this.#closed.signal });
    // What was begun while another etcd held the port may lead anywhere.
    if (holder !== this.#holder) this.#dropNext();
    this.#holder = holder;
    const channel = this.#next ??= this.#begin();
    await this.#connect(channel);
    channel.closeWhenLost();
    try {
      if (holder !== undefined) await ownPort?.assertStillHeldBy(holder);
      await this.#askStatus(channel);
      if (this.#closed.signal.aborted) throw this.#closedError();
      if (channel.isOver) throw this.#notSent("connection lost");
    } catch (error) {
      this.#dropNext();
      throw error;
    }
    this.#next = undefined;
    this.#current = channel;
    void this.#anchor(channel);
    return channel;
  }

  #begin(): MemberChannel {
    const { endpoint, largestAnswerBytes } = this.#init;
    return new MemberChannel(endpoint, { largestAnswerBytes });
  }

  #dropNext(): void {
    this.#next?.[Symbol.dispose]();
    this.#next = undefined;
  }

  /** Waits until it is connected; if that was refused, it tries again by itself. */
  async #connect(channel: MemberChannel): Promise<void> {
    const { clock } = this.#init;
    const endMs = clock.nowMs() + OPENING_MS;
    let failures = 0;
    while (true) {
      // Before its state is asked for, which would make it connect once more.
      if (this.#closed.signal.aborted) throw this.#closedError();
      const { state } = channel;
      if (state === connectivityState.READY) return;
      if (state === connectivityState.TRANSIENT_FAILURE && failures++ > 0) {
        throw this.#notSent("connection refused or lost");
      }
      const deadline = wallClock(clock, endMs);
      if (await channel.change(state, { deadline })) continue;
      this.#dropNext();
      throw this.#notSent("no connection in time");
    }
  }

  /** Asks what a member answers alone and at once, also without a leader. */
  async #askStatus(channel: MemberChannel): Promise<void> {
    const { calls, clock } = this.#init;
    const call = {
      service: "Maintenance",
      method: "status",
      request: {},
    } as const;
    if (channel.isOver) throw this.#notSent("connection lost");
    const endMs = clock.nowMs() + CONNECT_MS;
    try {
      await calls.send(channel, call, { metadata: new Metadata(), endMs });
    } catch (error) {
      if (!(error instanceof EtcdCallError)) throw error;
      if (error.failure === "another-cluster") throw error;
      throw this.#notSent(error.message, error);
    }
  }

  async #anchor(channel: MemberChannel): Promise<void> {
    const { calls, clock, metadata } = this.#init;
    const watch = { service: "Watch", method: "watch", metadata } as const;
    await keepAnchored(channel, {
      open: () => calls.stream(channel, watch),
      clock,
      signal: this.#closed.signal,
    });
  }

  #closedError(): EtcdCallError {
    return this.#notSent("the connection is closed");
  }

  #notSent(why: string, cause?: unknown): EtcdCallError {
    return notSent(this.#init.endpoint, why, { cause });
  }
}
