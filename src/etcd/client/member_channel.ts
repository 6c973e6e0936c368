/**
 * A gRPC channel for the time of one connection.
 *
 * @module
 */

import { Channel, connectivityState, credentials } from "@grpc/grpc-js";
import { grpcTarget } from "./etcd_address.ts";
import { type EtcdService, type EtcdStub, etcdStub } from "./etcd_protocol.ts";

const OPTIONS = {
  // `http_proxy` in the environment is for downloads: a proxy would be asked
  // even for the etcd on loopback, and told its password.
  "grpc.enable_http_proxy": 0,
  // A member that is frozen or cut off is noticed within 13 s. etcd answers
  // pings more frequent than 5 s with GOAWAY (--grpc-keepalive-min-time).
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 3_000,
  "grpc.max_send_message_length": -1,
  // A member that has just been started again is found soon.
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // What is sent again, and where, is decided above.
  "grpc.enable_retries": 0,
  // Two stores in one process stay independent of each other.
  "grpc.use_local_subchannel_pool": 1,
} as const;

/**
 * ```
 *   connecting ──▶ connected ──lost──▶ over
 *      └──── tries again until closed ──▲
 * ```
 *
 * gRPC connects again by itself and in silence, to whatever has the address
 * then. What was found out about a server must not hold for the next one, so a
 * channel that has lost its connection is closed in the same moment.
 */
export class MemberChannel implements Disposable {
  /**
   * The highest revision that an answer to a read or write has shown here. Only
   * of this connection: an etcd that was made anew counts from the start.
   */
  revision = "0";
  readonly #channel: Channel;
  readonly #stubs = new Map<EtcdService, EtcdStub>();
  #isOver = false;

  /** A channel to a client URL; connects when its state is asked for. */
  constructor(
    endpoint: string,
    { largestAnswerBytes }: {
      /** How large an answer may be, also when it is unpacked. */
      readonly largestAnswerBytes: number;
    },
  ) {
    this.#channel = new Channel(
      grpcTarget(endpoint),
      credentials.createInsecure(),
      { ...OPTIONS, "grpc.max_receive_message_length": largestAnswerBytes },
    );
  }

  /** Whether it was closed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** What gRPC is doing; makes it connect. */
  get state(): connectivityState {
    return this.#channel.getConnectivityState(true);
  }

  /** Closes it as soon as its connection is lost; to be called while it is connected. */
  closeWhenLost(): void {
    this.#channel.watchConnectivityState(
      connectivityState.READY,
      Infinity,
      () => this[Symbol.dispose](),
    );
  }

  /**
   * Resolves with true when the state is another or the channel was closed, and
   * with false at the deadline, which the wall clock tells.
   */
  change(
    state: connectivityState,
    { deadline }: { readonly deadline: number },
  ): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#isOver) return resolve(true);
      this.#channel.watchConnectivityState(
        state,
        deadline,
        (error) => resolve(error === undefined),
      );
    });
  }

  /** The client of a service. */
  stub(service: EtcdService): EtcdStub {
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

  /** Ends it; open calls and streams on it end. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#channel.close();
  }
}
