/**
 * One connection to one etcd member, on stubs of etcd3's protocol.
 *
 * Of etcd3 only the protocol and its types are used. Its pool, retries, circuit
 * breaker, leases, watchers and elections stay out, for they repeat writes, wait
 * without a deadline and lose events.
 *
 * @module
 */

import { connectivityState, Metadata, status as Code } from "@grpc/grpc-js";
import { abortable, Deadline } from "../../base/abortable.ts";
import { messageOf } from "../../base/errors.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { AnswerCheck, type Call } from "./answer_check.ts";
import { CallDeadlines, type CallWithDeadline } from "./call_deadlines.ts";
import { ClusterBinding } from "./cluster_binding.ts";
import {
  AnotherEtcdError,
  EtcdCallError,
  toCallError,
} from "./etcd_call_error.ts";
import type { EtcdService } from "./etcd_protocol.ts";
import { guardHttp2 } from "./guard_http2.ts";
import { MemberChannel } from "./member_channel.ts";
import { type DuplexCall, MessageStream } from "./message_stream.ts";

/** Options of {@linkcode EtcdConnection}. */
export interface EtcdConnectionOptions {
  /** The clock of deadlines and pauses. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** The cluster whose answers are taken. @default {that of the first answer} */
  readonly cluster?: ClusterBinding | undefined;
  /**
   * Says of each new connection whether the caller's own member holds the port
   * at its other end; nothing is sent before.
   */
  readonly holdsPort?: (() => Promise<boolean>) | undefined;
  /**
   * Whether the caller has a member of its own elsewhere: that one alone says
   * which cluster this is, and another cluster here is only a member that is away.
   */
  readonly isPeer?: boolean | undefined;
  /** How large an answer may be. @default {16 MiB} */
  readonly largestAnswerBytes?: number | undefined;
}

/** Options of one request of {@linkcode EtcdConnection}. */
export interface AttemptOptions {
  /** Ends the wait; the promise rejects with its reason and the outcome is unknown. */
  readonly signal?: AbortSignal | undefined;
  /** How long this one attempt may take, connecting included, in milliseconds. */
  readonly timeoutMs: number;
  /** How long connecting may take of it. @default {timeoutMs} */
  readonly connectWithinMs?: number;
  /** Whether so much was asked for that the answer may be large. @default {false} */
  readonly isLarge?: boolean | undefined;
  /** Whether a member that knows no leader is to refuse the call. @default {true} */
  readonly needsLeader?: boolean | undefined;
}

/**
 * The largest answer: the largest event, a value of 1.5 MiB and the one before
 * it, five times over. A page of a list is 4 MiB.
 */
const LARGEST_ANSWER_BYTES = 16 * 1024 ** 2;
/** The same where 128 values may have been asked for. */
const LARGE_ANSWER_BYTES = 16 * LARGEST_ANSWER_BYTES;

/** What a stub's unary method looks like. */
type Unary = (
  request: unknown,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: Error | null, response: unknown) => void,
) => { cancel(): void };

/** What a stub's streaming method looks like. */
type Streaming = (metadata: Metadata) => DuplexCall;

/** The pause before a silent stream that ended is opened again. */
const ANCHOR_PAUSE_MS = 500;
/** The same after a message on it, which no etcd sends as nothing was asked for. */
const UNASKED_PAUSE_MS = 10_000;
/** How long to wait for a connection before the next member is asked. */
const CONNECT_MS = 1_000;

/** What gRPC says when its own timer ends a call. */
const NO_ANSWER = {
  code: Code.DEADLINE_EXCEEDED,
  details: "No answer in time",
};

/**
 * A connection that opens when it is first used and again when it breaks.
 *
 * ```
 *   closed ──used──▶ connecting ──▶ checking ──its cluster──▶ open ──lost──▶ closed
 *     ▲                  └─────────────┴──no──┐
 *     └───────────────────────────────────────┘
 * ```
 *
 * The server at its other end is asked for its cluster before anything else is
 * sent to it, and every answer is compared as well.
 *
 * While it is open it holds one silent Watch stream: only with a stream does
 * gRPC send the pings that find a dead peer, and etcd takes pings without one
 * for abuse.
 */
export class EtcdConnection implements Disposable {
  /** The member's client URL. */
  readonly endpoint: string;
  readonly #metadata = new Metadata();
  readonly #calls: CallDeadlines;
  readonly #clock: Clock;
  readonly #check: AnswerCheck;
  readonly #holdsPort: (() => Promise<boolean>) | undefined;
  readonly #closed = new AbortController();
  /** What is connecting, or being checked. */
  #next: MemberChannel | undefined;
  #checking: Promise<void> | undefined;
  #open: MemberChannel | undefined;
  readonly #options: EtcdConnectionOptions;
  /** For large answers: gRPC has one bound for all of a channel. */
  #large: EtcdConnection | undefined;

  /** A connection to `endpoint`, as `http://127.0.0.1:2379`; nothing is sent yet. */
  constructor(
    endpoint: string,
    options: EtcdConnectionOptions = {},
  ) {
    const {
      clock = systemClock,
      cluster = new ClusterBinding(),
      holdsPort,
      isPeer = false,
    } = options;
    this.#options = { ...options, cluster };
    guardHttp2();
    this.endpoint = endpoint;
    this.#clock = clock;
    this.#check = new AnswerCheck({ endpoint, cluster, isPeer });
    this.#holdsPort = holdsPort;
    this.#calls = new CallDeadlines(clock);
    // A member that has lost its quorum then says so instead of staying silent.
    this.#metadata.set("hasleader", "true");
  }

  /**
   * Sends one request and returns its answer, without any retry.
   *
   * @throws {AnotherEtcdError} if another cluster answers.
   * @throws {EtcdCallError} sorted by whether it may have taken effect.
   */
  async call<Response>(
    service: EtcdService,
    method: string,
    request: unknown,
    { isLarge = false, ...options }: AttemptOptions,
  ): Promise<Response> {
    if (isLarge) {
      this.#large ??= new EtcdConnection(this.endpoint, {
        ...this.#options,
        largestAnswerBytes: LARGE_ANSWER_BYTES,
      });
      return await this.#large.call(service, method, request, options);
    }
    const { signal, timeoutMs, connectWithinMs = timeoutMs } = options;
    const endMs = this.#clock.nowMs() + timeoutMs;
    signal?.throwIfAborted();
    const channel = this.#open ??
      await this.#connected(Math.min(timeoutMs, connectWithinMs), signal);
    signal?.throwIfAborted();
    return await this.#send(channel, { service, method, request }, {
      metadata: options.needsLeader === false ? new Metadata() : this.#metadata,
      endMs,
      signal,
    }) as Response;
  }

  /**
   * Opens a stream.
   *
   * @throws {AnotherEtcdError} if another cluster answers.
   * @throws {EtcdCallError} if no connection can be had in time.
   */
  async stream<Request, Response>(
    service: EtcdService,
    method: string,
    { signal, timeoutMs }: AttemptOptions,
  ): Promise<MessageStream<Request, Response>> {
    const channel = this.#open ?? await this.#connected(timeoutMs, signal);
    return this.#openStream(channel, service, method);
  }

  /** Ends the connection; open calls and streams on it end. */
  [Symbol.dispose](): void {
    this.#closed.abort(new Error("The connection is closed"));
    this.#large?.[Symbol.dispose]();
    this.#calls[Symbol.dispose]();
    this.#next?.[Symbol.dispose]();
    this.#open?.[Symbol.dispose]();
    this.#next = this.#open = undefined;
  }

  #send(
    channel: MemberChannel,
    sent: Call,
    { metadata, endMs, signal }: {
      readonly metadata: Metadata;
      readonly endMs: number;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<unknown> {
    if (channel.isOver) return Promise.reject(this.#notSent("it was lost"));
    const { service, method, request } = sent;
    const stub = channel.stub(service);
    const deadline = this.#wallClock(endMs);
    const since = channel.revision;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        reject(signal?.reason);
        call.cancel();
      };
      const inFlight: CallWithDeadline = {
        endMs,
        expire: () => {
          reject(toCallError(NO_ANSWER, this.endpoint));
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
          this.#calls.delete(inFlight);
          signal?.removeEventListener("abort", onAbort);
          if (error) return reject(toCallError(error, this.endpoint));
          try {
            this.#check.take(answer, { call: sent, seen: channel, since });
            resolve(answer);
          } catch (error) {
            if (isAnothers(error)) this.#drop(channel);
            reject(error);
          }
        },
      );
      this.#calls.add(inFlight);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #openStream<Request, Response>(
    channel: MemberChannel,
    service: EtcdService,
    method: string,
  ): MessageStream<Request, Response> {
    if (channel.isOver) throw this.#notSent("it was lost");
    const stub = channel.stub(service);
    const call = (stub[method] as Streaming).call(stub, this.#metadata);
    return new MessageStream(call, {
      toError: (error) => toCallError(error, this.endpoint),
      check: (message) => this.#check.takeMessage(message, method),
    });
  }

  /** Resolves with an open connection; what fails before that is certainly not done. */
  async #connected(
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<MemberChannel> {
    const endMs = this.#clock.nowMs() + Math.min(timeoutMs, CONNECT_MS);
    let failures = 0;
    while (true) {
      if (this.#closed.signal.aborted) {
        throw this.#notSent("the connection is closed");
      }
      if (this.#open) return this.#open;
      const channel = this.#next ??= new MemberChannel(this.endpoint, {
        largestAnswerBytes: this.#options.largestAnswerBytes ??
          LARGEST_ANSWER_BYTES,
      });
      const { state } = channel;
      if (state === connectivityState.READY) {
        await this.#checked(channel, { endMs, signal });
        continue;
      }
      if (state === connectivityState.TRANSIENT_FAILURE && failures++ > 0) {
        throw this.#notSent("connection refused or lost");
      }
      const deadline = this.#wallClock(endMs);
      if (!await channel.change(state, { deadline, signal })) {
        throw this.#notSent("no connection in time");
      }
    }
  }

  /** Waits for the check that all who want to use a new connection share. */
  async #checked(
    channel: MemberChannel,
    { endMs, signal }: {
      readonly endMs: number;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<void> {
    this.#checking ??= this.#verify(channel)
      .finally(() => this.#checking = undefined);
    using deadline = new Deadline(
      Math.max(1, endMs - this.#clock.nowMs()),
      () => this.#notSent("it was not said in time whose it is"),
      [signal],
      this.#clock,
    );
    await abortable(this.#checking, deadline.signal);
  }

  /** Opens a new connection, if the server at its other end is of the right cluster. */
  async #verify(channel: MemberChannel): Promise<void> {
    channel.closeWhenLost(() => this.#drop(channel));
    try {
      await this.#assertOwn();
      await this.#askStatus(channel);
      if (channel.isOver) throw this.#notSent("connection lost");
    } catch (error) {
      this.#drop(channel);
      throw error;
    }
    this.#next = undefined;
    this.#open = channel;
    void this.#keepAnchored(channel);
  }

  /** Refuses another program at the port of the caller's own member. */
  async #assertOwn(): Promise<void> {
    const holds = await this.#holdsPort?.().catch((error) => {
      throw this.#notSent(messageOf(error), error);
    });
    if (holds !== false) return;
    throw this.#notSent("its port is not held by this node's etcd");
  }

  /** Asks what a member answers alone and at once, also without a leader. */
  async #askStatus(channel: MemberChannel): Promise<void> {
    const call = {
      service: "Maintenance",
      method: "status",
      request: {},
    } as const;
    const endMs = this.#clock.nowMs() + CONNECT_MS;
    try {
      await this.#send(channel, call, { metadata: new Metadata(), endMs });
    } catch (error) {
      if (!(error instanceof EtcdCallError)) throw error;
      if (error.failure === "another-cluster") throw error;
      throw this.#notSent(error.message, error);
    }
  }

  #drop(channel: MemberChannel): void {
    if (this.#open === channel) this.#open = undefined;
    if (this.#next === channel) this.#next = undefined;
    channel[Symbol.dispose]();
  }

  /** Holds a silent stream as long as the connection is up; a member without quorum ends it now and then. */
  async #keepAnchored(channel: MemberChannel): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted && !channel.isOver) {
      using anchor = this.#openStream<unknown, unknown>(
        channel,
        "Watch",
        "watch",
      );
      const unasked = await abortable(anchor.next(), signal).catch(() => {});
      const pauseMs = unasked ? UNASKED_PAUSE_MS : ANCHOR_PAUSE_MS;
      await this.#clock.sleep(pauseMs, { signal }).catch(() => {});
    }
  }

  #notSent(why: string, cause?: unknown): EtcdCallError {
    return new EtcdCallError(`Cannot reach etcd at ${this.endpoint}: ${why}`, {
      failure: "unavailable",
      outcome: "not-done",
      endpoint: this.endpoint,
      cause,
    });
  }

  /**
   * A moment of the monotonic clock as gRPC wants it. gRPC makes a timer of it
   * at once; kept for longer, a step of the wall clock would move it.
   */
  #wallClock(endMs: number): number {
    return Date.now() + endMs - this.#clock.nowMs();
  }
}

/** Whether the server is of another cluster, whatever that means to the caller. */
function isAnothers(error: unknown): boolean {
  return error instanceof AnotherEtcdError ||
    error instanceof EtcdCallError && error.cause instanceof AnotherEtcdError;
}
