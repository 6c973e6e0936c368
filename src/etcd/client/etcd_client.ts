/**
 * Calls to an etcd cluster through whichever member answers.
 *
 * It knows endpoints, deadlines and which call may be sent twice. What the
 * answers mean is the store's business.
 *
 * @module
 */

import { Backoff } from "../../base/backoff.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { logger } from "../../base/log.ts";
import { ClusterBinding } from "./cluster_binding.ts";
import { EtcdCallError } from "./etcd_call_error.ts";
import { EtcdConnection } from "./etcd_connection.ts";
import type { EtcdService } from "./etcd_protocol.ts";
import type { MessageStream } from "./message_stream.ts";
import type { PortHolder } from "./own_port.ts";

/** Options of each call. */
export interface EtcdCallOptions {
  /** Ends the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long the call may take with all its attempts. @default {5000} */
  readonly timeoutMs?: number | undefined;
  /** Whether a member that knows no leader is to refuse the call. @default {true} */
  readonly needsLeader?: boolean | undefined;
}

/** Options of {@linkcode EtcdClient.once}. */
export interface OnceOptions extends EtcdCallOptions {
  /**
   * How long it may take until it is sent; if no member was reached by then, it
   * is certainly not done. @default {timeoutMs}
   */
  readonly sendWithinMs?: number | undefined;
  /** Whether so much was asked for that the answer may be large. @default {false} */
  readonly isLarge?: boolean | undefined;
}

/** What a client needs of a connection. */
export type Connection = Pick<EtcdConnection, "call" | "stream"> & Disposable;

/** A stream, and a way to ask the member at its other end. */
export interface MemberStream<Request, Response> {
  /** The stream. */
  readonly stream: MessageStream<Request, Response>;
  /**
   * Sends one request to that member, once.
   *
   * @throws {EtcdCallError} sorted by whether it may have taken effect.
   */
  readonly ask: <Answer>(
    service: EtcdService,
    method: string,
    request: unknown,
    options?: EtcdCallOptions,
  ) => Promise<Answer>;
}

/** The member that a node runs itself, at the first endpoint. */
export interface OwnEndpoint {
  /** Says whether it holds its port: asked for each new connection to it. */
  readonly portHolder: PortHolder;
}

/** Options of {@linkcode EtcdClient}. */
export interface EtcdClientOptions {
  /** The clock of deadlines and pauses. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** The cluster whose answers are taken. @default {that of the first answer} */
  readonly cluster?: ClusterBinding | undefined;
  /** Set if the first endpoint is the caller's own member, which alone says which cluster this is. */
  readonly own?: OwnEndpoint | undefined;
  /** Makes the connection to a client URL. @default {gRPC} */
  readonly connect?: ((endpoint: string) => Connection) | undefined;
}

/** How long a call may take unless its caller says otherwise. */
const CALL_TIMEOUT_MS = 5_000;
/**
 * How long one attempt of a repeatable call may take at first; it doubles with
 * each. A request behind an etcd leader that has just died hangs for 7 s (5 s
 * and two election time-outs) at the member that forwarded it, while another
 * try elsewhere is answered as soon as there is a new leader.
 */
const FIRST_ATTEMPT_MS = 1_000;

/** Calls to the members of one cluster. */
export class EtcdClient implements Disposable {
  readonly #connections: readonly Connection[];
  readonly #clock: Clock;
  readonly #log = logger("etcd");
  #current = 0;
  #closed = false;

  /**
   * A client of the members at `endpoints` (client URLs). Nothing is sent yet.
   *
   * The first endpoint is used while it answers: put the nearest first.
   */
  constructor(
    endpoints: readonly string[],
    {
      clock = systemClock,
      cluster = new ClusterBinding(),
      own,
      connect,
    }: EtcdClientOptions = {},
  ) {
    if (endpoints.length === 0) throw new TypeError("No endpoint was given");
    this.#connections = endpoints.map((url, index) =>
      connect?.(url) ?? new EtcdConnection(url, {
        cluster,
        portHolder: index === 0 ? own?.portHolder : undefined,
        isPeer: own !== undefined && index > 0,
      })
    );
    this.#clock = clock;
  }

  /**
   * Sends a request that may be sent again: a read, or a write that a second
   * copy cannot change. Tries one member after the other until the time is over.
   *
   * @throws {AnotherEtcdError} if no member of the cluster answers, and an etcd of
   * another one does.
   * @throws {EtcdCallError} with the last attempt's reason.
   */
  async repeatable<Response>(
    service: EtcdService,
    method: string,
    request: unknown,
    { signal, timeoutMs = CALL_TIMEOUT_MS, needsLeader }: EtcdCallOptions = {},
  ): Promise<Response> {
    return await this.#attempts(
      { signal, timeoutMs, again: () => true },
      (connection, attempt) =>
        connection.call<Response>(service, method, request, {
          ...attempt,
          needsLeader,
        }),
    );
  }

  /**
   * Sends a request once. Until it is sent another member is tried; from then
   * on there is no second attempt, whatever happens.
   *
   * @throws {EtcdCallError} whose `outcome` says whether it may have been done.
   */
  async once<Response>(
    service: EtcdService,
    method: string,
    request: unknown,
    {
      signal,
      timeoutMs = CALL_TIMEOUT_MS,
      sendWithinMs = timeoutMs,
      isLarge,
    }: OnceOptions = {},
  ): Promise<Response> {
    return await this.#attempts(
      {
        signal,
        timeoutMs,
        againWithinMs: sendWithinMs,
        again: (error) => error.outcome === "not-done",
      },
      (connection, _attempt, rest) =>
        connection.call<Response>(service, method, request, {
          ...rest,
          isLarge,
        }),
    );
  }

  /**
   * Opens a stream to the member in use, or to another if that one is away.
   *
   * @throws {EtcdCallError} if no member can be reached in time.
   */
  async stream<Request, Response>(
    service: EtcdService,
    method: string,
    options?: EtcdCallOptions,
  ): Promise<MessageStream<Request, Response>> {
    const opened = this.memberStream<Request, Response>(
      service,
      method,
      options,
    );
    return (await opened).stream;
  }

  /**
   * Opens a stream as {@linkcode EtcdClient.stream} does, whose member can be
   * asked more.
   *
   * @throws {EtcdCallError} if no member can be reached in time.
   */
  async memberStream<Request, Response>(
    service: EtcdService,
    method: string,
    { signal, timeoutMs = CALL_TIMEOUT_MS }: EtcdCallOptions = {},
  ): Promise<MemberStream<Request, Response>> {
    return await this.#attempts(
      { signal, timeoutMs, again: () => true },
      async (connection, attempt) => ({
        stream: await connection.stream<Request, Response>(
          service,
          method,
          attempt,
        ),
        ask: (service, method, request, options = {}) => {
          const { signal, timeoutMs = CALL_TIMEOUT_MS } = options;
          return connection.call(service, method, request, {
            signal,
            timeoutMs,
          });
        },
      }),
    );
  }

  /** Prefers another member from now on, if there is one: this one seems stuck. */
  preferNextMember(): void {
    this.#current = (this.#current + 1) % this.#connections.length;
  }

  /** Ends all connections, and with them every call and stream. */
  [Symbol.dispose](): void {
    this.#closed = true;
    for (const connection of this.#connections) connection[Symbol.dispose]();
  }

  async #attempts<T>(
    { signal, timeoutMs, againWithinMs = timeoutMs, again }: {
      readonly signal: AbortSignal | undefined;
      readonly timeoutMs: number;
      /** When there is no other attempt any more. */
      readonly againWithinMs?: number;
      readonly again: (error: EtcdCallError) => boolean;
    },
    attempt: (
      connection: Connection,
      one: { signal: AbortSignal | undefined; timeoutMs: number },
      rest: {
        signal: AbortSignal | undefined;
        timeoutMs: number;
        connectWithinMs: number;
      },
    ) => Promise<T>,
  ): Promise<T> {
    const startMs = this.#clock.nowMs();
    const end = startMs + timeoutMs;
    const lastAttempt = startMs + againWithinMs;
    const pauses = new Backoff({ firstMs: 50, maxMs: 500 });
    let attemptMs = FIRST_ATTEMPT_MS;
    const strangers = new Set<number>();
    let stranger: EtcdCallError | undefined;
    while (true) {
      const nowMs = this.#clock.nowMs();
      const restMs = Math.max(1, end - nowMs);
      const connectWithinMs = Math.max(1, lastAttempt - nowMs);
      const index = this.#current;
      const connection = this.#connections[index] as Connection;
      try {
        return await attempt(
          connection,
          { signal, timeoutMs: Math.min(attemptMs, restMs) },
          { signal, timeoutMs: restMs, connectWithinMs },
        );
      } catch (error) {
        if (!(error instanceof EtcdCallError)) throw error;
        const isStranger = error.failure === "another-cluster";
        if (!isStranger && error.failure !== "unavailable") throw error;
        // Only the first call that fails changes the member; calls of the same moment follow.
        if (index === this.#current) this.preferNextMember();
        // The others are asked once more each before it counts.
        const isLast = strangers.has(index) || this.#connections.length === 1;
        if (isStranger && (isLast || this.#closed)) throw error;
        if (isStranger) {
          strangers.add(index);
          stranger = error;
        }
        const pauseMs = pauses.nextMs();
        if (
          this.#closed || !again(error) ||
          this.#clock.nowMs() + pauseMs >= lastAttempt
        ) throw error.outcome === "not-done" ? stranger ?? error : error;
        this.#log.debug("A call to etcd is tried again", {
          endpoint: error.endpoint,
          reason: error.message,
        });
        await this.#clock.sleep(pauseMs, { signal });
        attemptMs *= 2;
      }
    }
  }
}
