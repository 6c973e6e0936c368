/**
 * Requests and streams on an open channel to one member.
 *
 * @module
 */

import { type Metadata, status as Code } from "@grpc/grpc-js";
import type { Clock } from "../../base/clock.ts";
import type { AnswerCheck, Call } from "./answer_check.ts";
import { CallDeadlines, type CallWithDeadline } from "./call_deadlines.ts";
import {
  AnotherEtcdError,
  EtcdCallError,
  notSent,
  toCallError,
} from "./etcd_call_error.ts";
import type { EtcdService } from "./etcd_protocol.ts";
import type { MemberChannel } from "./member_channel.ts";
import { type DuplexCall, MessageStream } from "./message_stream.ts";

/** What a stub's unary method looks like. */
type Unary = (
  request: unknown,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: Error | null, response: unknown) => void,
) => { cancel(): void };

/** What a stub's streaming method looks like. */
type Streaming = (metadata: Metadata) => DuplexCall;

/** What gRPC says when its own timer ends a call. */
const NO_ANSWER = {
  code: Code.DEADLINE_EXCEEDED,
  details: "No answer in time",
};

const LOST = "connection lost";

/** What {@linkcode MemberCalls} is made from. */
export interface MemberCallsInit {
  /** The member's client URL, for errors. */
  readonly endpoint: string;
  /** Decides which answers are taken. */
  readonly check: AnswerCheck;
  /** The clock of deadlines. */
  readonly clock: Clock;
}

/** Options of {@linkcode MemberCalls.send}. */
export interface SendOptions {
  /** What is sent with it. */
  readonly metadata: Metadata;
  /** When the answer must have come, by the clock. */
  readonly endMs: number;
  /** Ends the wait; the outcome is then unknown. */
  readonly signal?: AbortSignal | undefined;
}

/** Sends what is asked of one member, and checks what it answers. Disposing cancels all requests. */
export class MemberCalls implements Disposable {
  readonly #init: MemberCallsInit;
  readonly #deadlines: CallDeadlines;

  /** Sends nothing yet. */
  constructor(init: MemberCallsInit) {
    this.#init = init;
    this.#deadlines = new CallDeadlines(init.clock);
  }

  /**
   * Sends one request and returns its answer. A channel at whose other end
   * another cluster answers is closed.
   *
   * @throws {AnotherEtcdError} if another cluster answers.
   * @throws {EtcdCallError} sorted by whether it may have taken effect.
   */
  send(
    channel: MemberChannel,
    sent: Call,
    { metadata, endMs, signal }: SendOptions,
  ): Promise<unknown> {
    const { endpoint, check } = this.#init;
    if (channel.isOver) return Promise.reject(notSent(endpoint, LOST));
    const { service, method, request } = sent;
    const stub = channel.stub(service);
    const deadline = wallClock(this.#init.clock, endMs);
    const since = channel.revision;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        reject(signal?.reason);
        call.cancel();
      };
      const inFlight: CallWithDeadline = {
        endMs,
        expire: () => {
          reject(toCallError(NO_ANSWER, endpoint));
          call.cancel();
        },
        cancel: () => call.cancel(),
      };
      const call = (stub[method] as Unary).call(
        stub,
        request,
        metadata,
        { deadline },
        (error, answer) => {
          this.#deadlines.delete(inFlight);
          signal?.removeEventListener("abort", onAbort);
          if (error) return reject(toCallError(error, endpoint));
          try {
            check.take(answer, { call: sent, seen: channel, since });
            resolve(answer);
          } catch (error) {
            if (isAnothers(error)) channel[Symbol.dispose]();
            reject(error);
          }
        },
      );
      this.#deadlines.add(inFlight);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /**
   * Opens a stream.
   *
   * @throws {EtcdCallError} if the channel is over.
   */
  stream<Request, Response>(
    channel: MemberChannel,
    { service, method, metadata }: {
      readonly service: EtcdService;
      readonly method: string;
      readonly metadata: Metadata;
    },
  ): MessageStream<Request, Response> {
    const { endpoint, check } = this.#init;
    if (channel.isOver) throw notSent(endpoint, LOST);
    const stub = channel.stub(service);
    const call = (stub[method] as Streaming).call(stub, metadata);
    return new MessageStream(call, {
      toError: (error) => toCallError(error, endpoint),
      check: (message) => check.takeMessage(message, method),
    });
  }

  /** Cancels all requests. */
  [Symbol.dispose](): void {
    this.#deadlines[Symbol.dispose]();
  }
}

/**
 * A moment of the monotonic clock as gRPC wants it. gRPC makes a timer of it at
 * once; kept for longer, a step of the wall clock would move it.
 */
export function wallClock(clock: Clock, endMs: number): number {
  return Date.now() + endMs - clock.nowMs();
}

/** Whether the server is of another cluster, whatever that means to the caller. */
function isAnothers(error: unknown): boolean {
  return error instanceof AnotherEtcdError ||
    error instanceof EtcdCallError && error.cause instanceof AnotherEtcdError;
}
