/**
 * A simulated agent: the shipped store and election in a simulated process,
 * with duties that write through their term, and sometimes too late.
 *
 * @module
 */

import { messageOf } from "../../src/base/errors.ts";
import { runElection } from "../../src/election/election.ts";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { ELECTION_PREFIX } from "../../src/store/keys.ts";
import type { Leadership, Op } from "../../src/store/state_store.ts";
import type { EtcdCluster } from "./etcd_cluster.ts";
import type { Message } from "./etcd_state.ts";
import { Process } from "./process.ts";
import type { Timeline } from "./timeline.ts";
import { connectOver, Link } from "./wire.ts";

/** What leaders write under, with the fence of their term as value. */
export const WORK_KEY = "/work";

/** Options of {@linkcode Agent}. */
export interface AgentInit {
  /** As the trace calls it, and its leader ID. */
  readonly name: string;
  /** The lease to ask for, in seconds. */
  readonly leaseTtlSeconds: number;
  /** Where it runs. */
  readonly timeline: Timeline;
  /** The etcd that it uses. */
  readonly cluster: EtcdCluster;
  /** Told why each term ended. */
  readonly onEnd: (cause: string) => void;
}

/** One life of an agent, from start to stop or death. */
export class Agent {
  /** What it runs in. */
  readonly process: Process;
  /** Its links to the members. */
  readonly links: readonly Link[];
  /** The term that it was last given; it may be over. */
  leadership: Leadership | undefined;
  /** Whether what it does as leader goes on. */
  working = false;
  /** Whether it has stopped in order. */
  stopped = false;
  readonly #init: AgentInit;
  readonly #store: EtcdStore;
  readonly #stop = new AbortController();

  /** An agent that starts at once. */
  constructor(init: AgentInit) {
    const { timeline, cluster, name } = init;
    this.#init = init;
    this.process = new Process(name, timeline);
    this.links = cluster.members.map((member) =>
      new Link(this.process, member, { cluster, timeline })
    );
    const first = timeline.random.below(this.links.length);
    this.#store = new EtcdStore({
      endpoints: this.links.map((_, index) => `${index}`),
      clock: this.process.clock,
      connect: (endpoint) => {
        const index = (Number(endpoint) + first) % this.links.length;
        return connectOver(
          this.links[index] as Link,
          (method, request) => this.#onSend(method, request),
        );
      },
    });
    this.#run().catch((error) => timeline.violate(`${name} failed: ${error}`));
  }

  /** As the trace calls it. */
  get name(): string {
    return this.#init.name;
  }

  /** Whether it says now, if it can say anything, that it leads. */
  get believes(): boolean {
    return this.process.running && this.leadership?.signal.aborted === false;
  }

  /** Asks it to stop in order. */
  stop(): void {
    this.#stop.abort(new Error("Asked to stop"));
  }

  /** Ends it without a word. */
  kill(): void {
    this.process.kill();
    for (const link of this.links) link.break();
  }

  async #run(): Promise<void> {
    await runElection(this.#store, {
      leaderId: this.name,
      leaseTtlSeconds: this.#init.leaseTtlSeconds,
      clock: this.process.clock,
      signal: this.#stop.signal,
      duties: (leadership, signal) => this.#lead(leadership, signal),
    });
    await this.#store.close();
    this.stopped = true;
    this.#init.timeline.note(() => `${this.name} has stopped`);
  }

  async #lead(leadership: Leadership, over: AbortSignal): Promise<void> {
    const { timeline, onEnd } = this.#init;
    const { clock } = this.process;
    const { random } = timeline;
    const { fence } = leadership;
    this.leadership = leadership;
    this.working = true;
    timeline.note(() => `${this.name} leads with fence ${fence}`);
    leadership.signal.addEventListener("abort", () => {
      const { reason } = leadership.signal;
      timeline.note(() => `${this.name}'s term ${fence} ends: ${reason}`);
      onEnd(messageOf(reason));
    });
    // Without a write the store never tells an agent that its term is over.
    const writes = random.chance(0.6);
    while (!over.aborted) {
      const pauseMs = random.between(200, 2_000);
      await clock.sleep(pauseMs, { signal: over }).catch(() => {});
      if (leadership.signal.aborted) break;
      if (!writes) continue;
      // The term decides what a failure means, not its duties.
      await leadership.doTransaction([], [work(fence)], { signal: over })
        .catch(() => {});
    }
    if (random.chance(0.5)) await clock.sleep(random.between(0, 1_500));
    this.working = false;
    // A leader that does not know: only the guard can stop it.
    const late = this.#store.doTransaction([leadership.guard], [
      work(fence),
    ], []);
    late.catch(() => {});
  }

  /** An agent that gives its lease back must have ended its duties. */
  #onSend(method: string, request: Message): void {
    if (!this.process.alive) return;
    const leaves = request?.success?.some((operation: Message) =>
      String(operation.request_delete_range?.key).startsWith(ELECTION_PREFIX)
    );
    if (this.working && (leaves || method === "leaseRevoke")) {
      const { timeline, name } = this.#init;
      timeline.violate(`${name} gives the lead back while its duties go on`);
    }
  }
}

function work(fence: bigint): Op {
  return {
    type: "put",
    key: WORK_KEY,
    value: new TextEncoder().encode(`${fence}`),
  };
}
