/**
 * Holds a silent stream on a channel: only with a stream does gRPC send the
 * pings that find a dead peer, and etcd takes pings without one for abuse.
 *
 * @module
 */

import { abortable } from "../../base/abortable.ts";
import type { Clock } from "../../base/clock.ts";
import type { MemberChannel } from "./member_channel.ts";
import type { MessageStream } from "./message_stream.ts";

/** Options of {@linkcode keepAnchored}. */
export interface AnchorOptions {
  /** Opens a stream that asks for nothing. */
  readonly open: () => MessageStream<unknown, unknown>;
  /** The clock of the pauses. */
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** The pause before a stream that ended is opened again: a member without quorum ends it now and then. */
const PAUSE_MS = 500;
/** The same after a message on it, which no etcd sends as nothing was asked for. */
const UNASKED_PAUSE_MS = 10_000;

/** Holds the stream until the channel is over, or the signal aborts. */
export async function keepAnchored(
  channel: MemberChannel,
  { open, clock, signal }: AnchorOptions,
): Promise<void> {
  while (!signal.aborted && !channel.isOver) {
    using anchor = open();
    const unasked = await abortable(anchor.next(), signal).catch(() => {});
    const pauseMs = unasked ? UNASKED_PAUSE_MS : PAUSE_MS;
    await clock.sleep(pauseMs, { signal }).catch(() => {});
  }
}
