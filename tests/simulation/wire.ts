/**
 * The network between a simulated process and the members: slow, lossy, cut.
 *
 * @module
 */

import { status as Code } from "@grpc/grpc-js";
import {
  EtcdCallError,
  toCallError,
} from "../../src/etcd/client/etcd_call_error.ts";
import type { Connection } from "../../src/etcd/client/etcd_client.ts";
import {
  type DuplexCall,
  MessageStream,
} from "../../src/etcd/client/message_stream.ts";
import type { EtcdCluster, Member } from "./etcd_cluster.ts";
import { type Message, Refusal } from "./etcd_state.ts";
import type { Process } from "./process.ts";
import type { Timeline } from "./timeline.ts";

/** How long gRPC takes to find a dead peer, in milliseconds. */
const DEAD_PEER_MS = 13_000;

/** What lies between one process and one member. */
export class Link {
  /** Nothing reaches the member. */
  cutThere = false;
  /** Nothing reaches the process. */
  cutBack = false;
  /** How likely a message takes long. */
  slow = 0.02;
  /** The streams on it. */
  readonly wires = new Set<Wire>();
  readonly process: Process;
  readonly member: Member;
  readonly cluster: EtcdCluster;
  readonly timeline: Timeline;

  /** A link in order. */
  constructor(
    process: Process,
    member: Member,
    { cluster, timeline }: { cluster: EtcdCluster; timeline: Timeline },
  ) {
    this.process = process;
    this.member = member;
    this.cluster = cluster;
    this.timeline = timeline;
  }

  /** How long the next message takes. */
  delayMs(): number {
    const { random } = this.timeline;
    return random.chance(this.slow)
      ? random.between(50, 1_500)
      : random.between(0.2, 5);
  }

  /** Breaks all streams, as an RST or the death of one end does. */
  break(): void {
    for (const wire of [...this.wires]) wire.break();
  }
}

/** The connection that a store is given in place of gRPC's. */
export function connectOver(link: Link, onSend: OnSend): Connection {
  return {
    call: (_service, method, request, options) =>
      call(link, { method, request, onSend, ...options }),
    async stream(_service, method, { signal, timeoutMs }) {
      await reach(link, { signal, timeoutMs });
      onSend(method, undefined);
      const wire = new Wire(link, method);
      return new MessageStream(wire, {
        toError: (error) => toCallError(error, link.member.name),
      });
    },
    [Symbol.dispose]: () => link.break(),
  };
}

/** Sees what a process sends. */
export type OnSend = (method: string, request: Message) => void;

interface Call {
  readonly method: string;
  readonly request: Message;
  readonly onSend: OnSend;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
}

function call(
  link: Link,
  { method, request, onSend, ...options }: Call,
): Promise<Message> {
  const { process, member, timeline, cluster } = link;
  return exchange(link, options, (resolve, reject) => {
    if (member.down) {
      timeline.after(
        link.delayMs(),
        () => process.run(() => reject(notSent(member))),
      );
      return;
    }
    onSend(method, request);
    if (link.cutThere) return;
    timeline.after(link.delayMs(), () => {
      const reply = link.cutThere
        ? undefined
        : cluster.handle(member, method, request);
      if (reply === undefined) return;
      timeline.after(link.delayMs(), () => {
        if (link.cutBack || member.down) return;
        process.run(() => {
          if (reply instanceof Refusal) reject(toCallError(reply, member.name));
          else resolve(reply.answer);
        });
      });
    });
  });
}

/** Connects, or finds that the member is down. */
function reach(
  link: Link,
  options: Omit<Call, "method" | "request" | "onSend">,
) {
  const { process, member, timeline } = link;
  return exchange<void>(link, options, (resolve, reject) => {
    if (link.cutThere || link.cutBack) return;
    timeline.after(
      link.delayMs(),
      () =>
        process.run(() => member.down ? reject(notSent(member)) : resolve()),
    );
  });
}

/** Something that ends with an answer, at a deadline, or with a signal. */
function exchange<T>(
  { process, member }: Link,
  { signal, timeoutMs }: {
    signal?: AbortSignal | undefined;
    timeoutMs: number;
  },
  start: (
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = new AbortController();
    const settled = () => {
      timer.abort(SETTLED);
      signal?.removeEventListener("abort", onAbort);
    };
    const onAbort = () => {
      settled();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    process.clock.sleep(timeoutMs, { signal: timer.signal }).then(() => {
      settled();
      const late = {
        code: Code.DEADLINE_EXCEEDED,
        details: "Deadline exceeded",
      };
      reject(toCallError(late, member.name));
    }, () => {});
    start((value) => {
      settled();
      resolve(value);
    }, (error) => {
      settled();
      reject(error);
    });
  });
}

const SETTLED = new Error("The exchange has ended");

function notSent({ name }: Member): EtcdCallError {
  return new EtcdCallError(`Cannot reach etcd at ${name}: connection refused`, {
    failure: "unavailable",
    outcome: "not-done",
    endpoint: name,
  });
}

/** A message on its way. */
interface Passing {
  readonly atMs: number;
  readonly givenUpMs: number;
  readonly act: () => void;
}

/** How often a message that is held back tries again, in milliseconds. */
const CUT_RETRY_MS = 300;

/** One open stream: in order, both ways, until one side ends or breaks it. */
export class Wire implements DuplexCall {
  /** The method that was called. */
  readonly method: string;
  /** Called once the member has learned of the end. */
  onClosed: () => void = () => {};
  readonly #link: Link;
  readonly #handlers = new Map<string, (argument: never) => void>();
  readonly #there: Passing[] = [];
  readonly #back: Passing[] = [];
  #paused = false;
  #over = false;

  /** A stream on `link`. */
  constructor(link: Link, method: string) {
    this.#link = link;
    this.method = method;
    link.wires.add(this);
  }

  /** The member that serves it. */
  get member(): Member {
    return this.#link.member;
  }

  write(message: unknown): boolean {
    const { cluster, member } = this.#link;
    this.#send(this.#there, () => cluster.handleStream(member, this, message));
    return true;
  }

  cancel(): void {
    this.#close();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#pass(this.#back);
  }

  on(event: string, handler: (argument: never) => void): void {
    this.#handlers.set(event, handler);
  }

  /** Sends a message to the process. */
  send(message: Message): void {
    this.#send(this.#back, () => this.#emit("data", message));
  }

  /** Ends the stream with an error. */
  fail({ code, details }: Refusal): void {
    this.#send(this.#back, () => {
      this.#emit("error", { code, details });
      this.#close();
    });
  }

  /** Breaks it at once for the member, and soon for the process. */
  break(): void {
    if (this.#over) return;
    this.onClosed();
    this.fail(new Refusal(Code.UNAVAILABLE, "Connection dropped"));
  }

  #send(queue: Passing[], act: () => void): void {
    const { timeline } = this.#link;
    const delayMs = this.#link.delayMs();
    const atMs = timeline.nowMs + delayMs;
    const givenUpMs = atMs + timeline.random.between(1_000, DEAD_PEER_MS);
    queue.push({ atMs, givenUpMs, act });
    timeline.after(delayMs, () => this.#pass(queue));
  }

  /** Lets through, in order, what has arrived; TCP holds back what a cut stops, until gRPC gives up. */
  #pass(queue: Passing[]): void {
    const { timeline, process } = this.#link;
    const isBack = queue === this.#back;
    while (!this.#over) {
      const next = queue[0];
      if (!next || next.atMs > timeline.nowMs) return;
      if (isBack && this.#paused) return;
      if (isBack && !process.running) {
        return process.run(() => this.#pass(queue));
      }
      const isCut = isBack ? this.#link.cutBack : this.#link.cutThere;
      if (isCut && timeline.nowMs < next.givenUpMs) {
        timeline.after(CUT_RETRY_MS, () => this.#pass(queue));
        return;
      }
      if (isCut) {
        return process.run(() => {
          this.#emit("error", { code: Code.UNAVAILABLE, details: "Peer dead" });
          this.#close();
        });
      }
      queue.shift();
      next.act();
    }
  }

  #emit(event: string, argument: Message): void {
    if (!this.#over) this.#handlers.get(event)?.(argument as never);
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#link.wires.delete(this);
    this.onClosed();
  }
}
