/**
 * One connection to one etcd member, on stubs of etcd3's protocol.
 *
 * Of etcd3 only the protocol and its types are used. Its pool, retries, circuit
 * breaker, leases, watchers and elections stay out, for they repeat writes, wait
 * without a deadline and lose events.
 *
 * @module
 */

import {
  Channel,
  connectivityState,
  credentials,
  Metadata,
  status as Code,
} from "@grpc/grpc-js";
import { abortable } from "../../base/abortable.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { CallDeadlines, type CallWithDeadline } from "./call_deadlines.ts";
import { grpcTarget } from "./etcd_address.ts";
import { EtcdCallError, toCallError } from "./etcd_call_error.ts";
import { type EtcdService, type EtcdStub, etcdStub } from "./etcd_protocol.ts";
import { guardHttp2 } from "./guard_http2.ts";
import { type DuplexCall, MessageStream } from "./message_stream.ts";

/** Options of one request of {@linkcode EtcdConnection}. */
export interface AttemptOptions {
  /** Ends the wait; the promise rejects with its reason and the outcome is unknown. */
  readonly signal?: AbortSignal | undefined;
  /** How long this one attempt may take, connecting included, in milliseconds. */
  readonly timeoutMs: number;
  /** How long connecting may take of it. @default {timeoutMs} */
  readonly connectWithinMs?: number;
}

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
/** How long to wait for a connection before the next member is asked. */
const CONNECT_MS = 1_000;

/** What gRPC says when its own timer ends a call. */
const NO_ANSWER = {
  code: Code.DEADLINE_EXCEEDED,
  details: "No answer in time",
};

const CHANNEL_OPTIONS = {
  // `http_proxy` in the environment is for downloads: a proxy would be asked
  // even for the etcd on loopback, and told its password.
  "grpc.enable_http_proxy": 0,
  // A member that is frozen or cut off is noticed within 13 s. etcd answers
  // pings more frequent than 5 s with GOAWAY (--grpc-keepalive-min-time).
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 3_000,
  // The default of 4 MiB turns a large list into an error.
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  // A member that has just been started again is found soon.
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // Two stores in one process stay independent of each other.
  "grpc.use_local_subchannel_pool": 1,
} as const;

/**
 * A connection that opens when it is first used and again when it breaks.
 *
 * While it is open it holds one silent Watch stream: only with a stream does
 * gRPC send the pings that find a dead peer, and etcd takes pings without one
 * for abuse.
 */
export class EtcdConnection implements Disposable {
  /** The member's client URL. */
  readonly endpoint: string;
  readonly #channel: Channel;
  readonly #stubs = new Map<EtcdService, EtcdStub>();
  readonly #metadata = new Metadata();
  readonly #calls: CallDeadlines;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  #anchoring: Promise<void> | undefined;

  /** A connection to `endpoint`, as `http://127.0.0.1:2379`; nothing is sent yet. */
  constructor(endpoint: string, clock: Clock = systemClock) {
    guardHttp2();
    this.endpoint = endpoint;
    this.#clock = clock;
    this.#calls = new CallDeadlines(clock);
    const insecure = credentials.createInsecure();
    this.#channel = new Channel(
      grpcTarget(endpoint),
      insecure,
      CHANNEL_OPTIONS,
    );
    // A member that has lost its quorum then says so instead of staying silent.
    this.#metadata.set("hasleader", "true");
  }

  /**
   * Sends one request and returns its answer, without any retry.
   *
   * @throws {EtcdCallError} sorted by whether it may have taken effect.
   */
  async call<Response>(
    service: EtcdService,
    method: string,
    request: unknown,
    { signal, timeoutMs, connectWithinMs = timeoutMs }: AttemptOptions,
  ): Promise<Response> {
    const endMs = this.#clock.nowMs() + timeoutMs;
    signal?.throwIfAborted();
    if (!this.#isOpen()) {
      await this.#connected(Math.min(timeoutMs, connectWithinMs), signal);
      signal?.throwIfAborted();
    }
    const stub = this.#stub(service);
    const deadline = this.#wallClock(endMs);
    return await new Promise<Response>((resolve, reject) => {
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
        this.#metadata,
        { deadline },
        (error, response) => {
          this.#calls.delete(inFlight);
          signal?.removeEventListener("abort", onAbort);
          if (error) reject(toCallError(error, this.endpoint));
          else resolve(response as Response);
        },
      );
      this.#calls.add(inFlight);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /**
   * Opens a stream.
   *
   * @throws {EtcdCallError} if no connection can be had in time.
   */
  async stream<Request, Response>(
    service: EtcdService,
    method: string,
    { signal, timeoutMs }: AttemptOptions,
  ): Promise<MessageStream<Request, Response>> {
    await this.#connected(timeoutMs, signal);
    return this.#open(service, method);
  }

  /** Ends the connection; open calls and streams on it end. */
  [Symbol.dispose](): void {
    this.#closed.abort(new Error("The connection is closed"));
    this.#calls[Symbol.dispose]();
    this.#channel.close();
  }

  #stub(service: EtcdService): EtcdStub {
    let stub = this.#stubs.get(service);
    if (stub === undefined) {
      const Stub = etcdStub(service);
      stub = new Stub("", credentials.createInsecure(), {
        channelOverride: this.#channel,
      }) as unknown as EtcdStub;
      this.#stubs.set(service, stub);
    }
    return stub;
  }

  #open<Request, Response>(
    service: EtcdService,
    method: string,
  ): MessageStream<Request, Response> {
    const stub = this.#stub(service);
    const call = (stub[method] as Streaming).call(stub, this.#metadata);
    return new MessageStream(
      call,
      (error) => toCallError(error, this.endpoint),
    );
  }

  /** Whether requests can be sent at once. */
  #isOpen(): boolean {
    return this.#anchoring !== undefined && !this.#closed.signal.aborted &&
      this.#channel.getConnectivityState(true) === connectivityState.READY;
  }

  /** Resolves once requests can be sent; what fails before that is certainly not done. */
  async #connected(
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const endMs = this.#clock.nowMs() + Math.min(timeoutMs, CONNECT_MS);
    let failures = 0;
    while (true) {
      if (this.#closed.signal.aborted) {
        throw this.#notSent("the connection is closed");
      }
      const state = this.#channel.getConnectivityState(true);
      if (state === connectivityState.READY) break;
      if (state === connectivityState.TRANSIENT_FAILURE && failures++ > 0) {
        throw this.#notSent("connection refused or lost");
      }
      await this.#stateChange(state, this.#wallClock(endMs), signal);
    }
    this.#anchoring ??= this.#keepAnchored().finally(() => {
      this.#anchoring = undefined;
    });
  }

  /** Holds a silent stream as long as the connection is up; a member without quorum ends it now and then. */
  async #keepAnchored(): Promise<void> {
    const { signal } = this.#closed;
    const isUp = () =>
      this.#channel.getConnectivityState(false) === connectivityState.READY;
    while (!signal.aborted && isUp()) {
      using anchor = this.#open<unknown, unknown>("Watch", "watch");
      await abortable(anchor.next(), signal).catch(() => {});
      await this.#clock.sleep(ANCHOR_PAUSE_MS, { signal }).catch(() => {});
    }
  }

  #stateChange(
    state: connectivityState,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal?.reason);
      signal?.throwIfAborted();
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#channel.watchConnectivityState(state, deadline, (error) => {
        signal?.removeEventListener("abort", onAbort);
        if (error) reject(this.#notSent("no connection in time"));
        else resolve();
      });
    });
  }

  #notSent(why: string): EtcdCallError {
    return new EtcdCallError(`Cannot reach etcd at ${this.endpoint}: ${why}`, {
      failure: "unavailable",
      outcome: "not-done",
      endpoint: this.endpoint,
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
