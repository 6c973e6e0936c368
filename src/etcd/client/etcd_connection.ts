/**
 * One connection to one etcd member, on stubs of etcd3's protocol.
 *
 * Of etcd3 only the protocol and its types are used. Its pool, retries, circuit
 * breaker, leases, watchers and elections stay out, for they repeat writes, wait
 * without a deadline and lose events.
 *
 * @module
 */

import { Metadata } from "@grpc/grpc-js";
import { type Clock, systemClock } from "../../base/clock.ts";
import { AnswerCheck } from "./answer_check.ts";
import { ChannelOpener } from "./channel_opener.ts";
import { ClusterBinding } from "./cluster_binding.ts";
import type { EtcdService } from "./etcd_protocol.ts";
import { guardHttp2 } from "./guard_http2.ts";
import { MemberCalls } from "./member_calls.ts";
import type { MessageStream } from "./message_stream.ts";
import { OwnPort, type PortHolder } from "./own_port.ts";

/** Options of {@linkcode EtcdConnection}. */
export interface EtcdConnectionOptions {
  /** The clock of deadlines and pauses. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** The cluster whose answers are taken. @default {that of the first answer} */
  readonly cluster?: ClusterBinding | undefined;
  /** Set if the member is the caller's own: nothing is sent to another program at its port. */
  readonly portHolder?: PortHolder | undefined;
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

/**
 * A connection that opens when it is first used and again when it breaks.
 *
 * The server at its other end is asked for its cluster before anything else is
 * sent to it, and every answer is compared as well.
 */
export class EtcdConnection implements Disposable {
  /** The member's client URL. */
  readonly endpoint: string;
  readonly #options: EtcdConnectionOptions;
  readonly #clock: Clock;
  readonly #metadata = new Metadata();
  readonly #calls: MemberCalls;
  readonly #opener: ChannelOpener;
  /** For large answers: gRPC has one bound for all of a channel. */
  #large: EtcdConnection | undefined;

  /** A connection to `endpoint`, as `http://127.0.0.1:2379`; nothing is sent yet. */
  constructor(endpoint: string, options: EtcdConnectionOptions = {}) {
    const {
      clock = systemClock,
      cluster = new ClusterBinding(),
      portHolder,
      isPeer = false,
      largestAnswerBytes = LARGEST_ANSWER_BYTES,
    } = options;
    guardHttp2();
    this.endpoint = endpoint;
    this.#options = { ...options, cluster };
    this.#clock = clock;
    // A member that has lost its quorum then says so instead of staying silent.
    this.#metadata.set("hasleader", "true");
    const check = new AnswerCheck({ endpoint, cluster, isPeer });
    this.#calls = new MemberCalls({ endpoint, check, clock });
    this.#opener = new ChannelOpener({
      endpoint,
      calls: this.#calls,
      ownPort: portHolder &&
        new OwnPort({ endpoint, holder: portHolder, clock }),
      largestAnswerBytes,
      metadata: this.#metadata,
      clock,
    });
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
    const channel = this.#opener.current ?? await this.#opener.open({
      timeoutMs: Math.min(timeoutMs, connectWithinMs),
      signal,
    });
    signal?.throwIfAborted();
    return await this.#calls.send(channel, { service, method, request }, {
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
    const channel = this.#opener.current ??
      await this.#opener.open({ timeoutMs, signal });
    const metadata = this.#metadata;
    return this.#calls.stream(channel, { service, method, metadata });
  }

  /** Ends the connection; open calls and streams on it end. */
  [Symbol.dispose](): void {
    this.#large?.[Symbol.dispose]();
    this.#calls[Symbol.dispose]();
    this.#opener[Symbol.dispose]();
  }
}
