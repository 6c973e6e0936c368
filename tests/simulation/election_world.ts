/**
 * Some agents, an etcd cluster, trouble, and the promises of the election
 * looked at after every step.
 *
 * @module
 */

import { ELECTION_PREFIX } from "../../src/store/keys.ts";
import { Agent, WORK_KEY } from "./agent.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import type { Entry, Message } from "./etcd_state.ts";
import { electionFaults } from "./election_faults.ts";
import type { Counts } from "./counts.ts";
import { Timeline } from "./timeline.ts";
import { passTime } from "./pass_time.ts";

/** A small world in which agents campaign. */
export class ElectionWorld {
  readonly timeline: Timeline;
  readonly cluster: EtcdCluster;
  readonly counts: Counts;
  /** The agents' current lives. */
  readonly agents: Agent[] = [];
  /** Candidates' keys that were changed from outside: only a read of the key, not the clock, ends such a term. */
  readonly changedKeys = new Set<string>();
  readonly #ttlSeconds: number;
  readonly #faults: number;
  #highestFence = 0n;

  /** A world that is decided by its seed. */
  constructor(timeline: Timeline, counts: Counts) {
    const { random } = timeline;
    this.timeline = timeline;
    this.counts = counts;
    this.cluster = new EtcdCluster(timeline, random.chance(0.4) ? 1 : 3);
    this.cluster.trouble = random.chance(0.5) ? random.between(0, 0.1) : 0;
    this.cluster.state.onTransaction = (request, succeeded) =>
      this.#checkWrite(request, succeeded);
    this.#ttlSeconds = random.pick([2, 3, 5]);
    this.#faults = random.below(4);
    // Several lost renewals in a row do end a term, and would by chance.
    if (this.#faults === 0) this.cluster.trouble /= 5;
    const size = random.chance(0.75) ? 2 : 3;
    for (let index = 0; index < size; index++) this.start(index);
  }

  /** What leaders were granted at least, in milliseconds. */
  get ttlMs(): number {
    return this.#ttlSeconds * 1_000;
  }

  /** Starts an agent, or starts it again. */
  start(index: number): void {
    this.agents[index] = new Agent({
      name: `n${index + 1}`,
      leaseTtlSeconds: this.#ttlSeconds,
      timeline: this.timeline,
      cluster: this.cluster,
      onEnd: (cause) => this.#onEnd(cause),
    });
    if (this.#faults > 0) return;
    for (const link of this.agents[index]?.links ?? []) link.slow = 0;
  }

  /** Lives through trouble, recovery and an orderly stop. */
  async run(): Promise<void> {
    const { random } = this.timeline;
    const faults = electionFaults(this);
    await this.#until(random.between(100, 1_200));
    for (let index = 0; index < this.#faults; index++) {
      const fault = random.pick(faults);
      this.counts.add(`fault: ${fault.name}`);
      this.timeline.note(() => `FAULT ${fault.name}`);
      fault.begin();
      await this.#until(random.between(0, this.ttlMs * 0.9));
    }
    if (this.#faults === 0) await this.#until(random.between(0, this.ttlMs));
    else for (const fault of faults) fault.end();
    this.timeline.note(() => "all faults have ended");
    await this.#leaderAppears();
    await this.#stopInOrder();
  }

  /** After all faults there is a leader within a bound. */
  async #leaderAppears(): Promise<void> {
    // An old lease, extended by a new etcd leader, ends; then the longest
    // pauses of a campaign and the next check of the queue.
    const boundMs = 2 * (this.ttlMs + 1_000) + 12_000;
    await this.#until(boundMs, () => this.#agreed);
    if (this.timeline.violation || this.#agreed) return;
    const names = this.agents.filter((agent) => agent.believes)
      .map(({ name }) => name).join(" and ") || "no agent";
    this.timeline.violate(
      `${names} leads ${boundMs} ms after the last fault, etcd says ${this.#first()?.value}`,
    );
  }

  /** Whether exactly one agent believes to lead, and etcd says the same. */
  get #agreed(): boolean {
    const [leader, ...others] = this.agents.filter((agent) => agent.believes);
    const first = this.#first()?.created;
    return others.length === 0 && Number(leader?.leadership?.fence) === first;
  }

  /** An agent that stops without any fault leaves nothing behind, and the next one leads soon. */
  async #stopInOrder(): Promise<void> {
    this.cluster.trouble = 0;
    for (const agent of this.agents) {
      const led = agent.believes;
      const key = led ? agent.leadership?.guard.key : undefined;
      agent.stop();
      await this.#until(15_000, () => agent.stopped);
      if (this.timeline.violation) return;
      if (!agent.stopped) {
        return this.timeline.violate(`${agent.name} does not stop`);
      }
      if (key !== undefined && this.cluster.state.entries.has(key)) {
        return this.timeline.violate(
          `${agent.name} resigned, its key is there`,
        );
      }
    }
    await this.#until(this.ttlMs + 3_000, () => this.#empty);
    if (!this.#empty) this.timeline.violate("a lease or its key is left");
  }

  get #empty(): boolean {
    const { leases, entries } = this.cluster.state;
    return leases.size === 0 && ![...entries.keys()].some(isCandidate);
  }

  /** Single unexpected errors are no reason to end a term. */
  #onEnd(cause: string): void {
    this.counts.add(`term ended: ${cause}`);
    if (this.#faults === 0 && cause !== "Resigned leadership") {
      this.timeline.violate(`a healthy term ended: ${cause}`);
    }
  }

  /** Lets time pass, step by step, until `done` or for so long. */
  async #until(ms: number, done?: () => boolean): Promise<void> {
    await passTime(this.timeline, {
      ms,
      ...(done && { done }),
      // Not each time: a term must end in time also if it is never checked.
      check: () => void (this.timeline.random.chance(0.5) && this.#check()),
    });
  }

  /** At most one believes at any moment, and never one from before. */
  #check(): void {
    const believers = this.agents.filter(({ believes, leadership }) =>
      believes && !this.changedKeys.has(`${leadership?.guard.key}`)
    );
    if (believers.length > 1) {
      const names = believers.map(({ name }) => name).join(" and ");
      this.timeline.violate(`${names} lead at once`);
    }
    const leadership = believers[0]?.leadership;
    if (leadership === undefined) return;
    if (leadership.fence < this.#highestFence) {
      const fences = `${leadership.fence} after ${this.#highestFence}`;
      this.timeline.violate(`a term came back: fence ${fences}`);
    }
    if (leadership.fence > this.#highestFence) this.counts.add("terms won");
    this.#highestFence = leadership.fence;
  }

  /** No write of a leader that is none is accepted. */
  #checkWrite({ success }: Message, succeeded: boolean): void {
    const put = success?.find((operation: Message) =>
      String(operation.request_put?.key) === WORK_KEY
    )?.request_put;
    if (!put) return;
    const fence = Number(String(put.value));
    const isLeader = this.#first()?.created === fence;
    if (succeeded && !isLeader) {
      this.timeline.violate(
        `a write of the deposed leader ${fence} is accepted`,
      );
    }
    this.counts.add(
      isLeader ? "guarded writes accepted" : "stale writes refused",
    );
  }

  #first(): Entry | undefined {
    return [...this.cluster.state.entries.values()]
      .filter(({ key }) => isCandidate(key))
      .sort((a, b) => a.created - b.created)[0];
  }
}

function isCandidate(key: string): boolean {
  return key.startsWith(ELECTION_PREFIX);
}
