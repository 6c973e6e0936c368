/**
 * The members of a simulated etcd cluster, what they do with requests, and
 * what can go wrong with them.
 *
 * @module
 */

import { status as Code } from "@grpc/grpc-js";
import { EtcdState, type Message, Refusal } from "./etcd_state.ts";
import type { Timeline } from "./timeline.ts";
import type { Wire } from "./wire.ts";
import { WatchServer } from "./watch_server.ts";

/** A member that answers for the cluster. */
export interface Member {
  /** As the trace calls it. */
  readonly name: string;
  /** Whether its process is gone. */
  down: boolean;
  /** Whether it has lost the others. */
  isolated: boolean;
  /** How far its watches may lag, in milliseconds. */
  lagMs: number;
  /** What it knows, cut off from the others, if it still takes itself for the leader. */
  stale: StaleLeadership | undefined;
}

/** A leadership that has ended without the leader's knowledge. */
interface StaleLeadership {
  /** The raft term that it was for. */
  readonly raftTerm: number;
  /** What leases were granted for then, in milliseconds. */
  readonly leases: ReadonlyMap<string, number>;
}

/** What a member does with a unary request: an answer, a refusal, or nothing. */
export type Reply = { readonly answer: Message } | Refusal | undefined;

const NO_LEADER = new Refusal(Code.UNAVAILABLE, "etcdserver: no leader");

/** Members on one state. */
export class EtcdCluster {
  /** What they agree on. */
  readonly state: EtcdState;
  /** The members. */
  readonly members: readonly Member[];
  /** How many unary requests were done and then reported as failed. */
  doneYetFailed = 0;
  /** How likely trouble is that needs no other fault. */
  trouble = 0;
  readonly #timeline: Timeline;
  readonly #watches: WatchServer;
  #leaderless = false;

  /** A healthy cluster. */
  constructor(timeline: Timeline, size: number) {
    this.#timeline = timeline;
    this.state = new EtcdState(timeline);
    this.members = Array.from({ length: size }, (_, index) => ({
      name: `m${index + 1}`,
      down: false,
      isolated: false,
      lagMs: 0,
      stale: undefined,
    }));
    this.#watches = new WatchServer(timeline, this);
  }

  /** Where watches are served. */
  get watches(): WatchServer {
    return this.#watches;
  }

  /** Whether a member can have something agreed on. */
  serves(member: Member): boolean {
    return !this.#leaderless && !member.down && !member.isolated;
  }

  /** A unary request has come to `member`. */
  handle(member: Member, method: string, request: Message): Reply {
    const { random } = this.#timeline;
    if (member.down) return undefined;
    // Answered from the member's own memory.
    if (method === "memberList") {
      const raft_term = `${member.stale?.raftTerm ?? this.state.raftTerm}`;
      return { answer: { header: { raft_term }, members: this.members } };
    }
    // It waits for a majority that does not come.
    if (member.stale) return undefined;
    if (!this.serves(member)) {
      return random.chance(0.5) ? NO_LEADER : undefined;
    }
    const trouble = random.chance(this.trouble) ? random.below(4) : -1;
    if (trouble === 0) return unexpectedError(random.below(3));
    try {
      const answer = this.state.execute(method, request);
      this.#timeline.note(() => `${member.name} does ${told(method, request)}`);
      if (trouble < 1) return { answer };
      this.doneYetFailed += 1;
      return trouble === 1 ? undefined : unexpectedError(random.below(3));
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
  }

  /** A message has come to `member` on a stream. */
  handleStream(member: Member, wire: Wire, message: Message): void {
    if (member.down) return;
    if (wire.method === "watch") return this.#watches.handle(wire, message);
    if (member.stale) return wire.send(renewStale(member.stale, message.ID));
    if (!this.serves(member)) {
      if (this.#timeline.random.chance(0.5)) wire.fail(NO_LEADER);
      return;
    }
    if (this.#timeline.random.chance(this.trouble)) {
      return wire.fail(unexpectedError(1));
    }
    wire.send(this.state.renew(message.ID));
  }

  /** The leader is lost; unless it is done before, a new one is elected after `ms` milliseconds. */
  loseLeader(ms: number): void {
    this.#leaderless = true;
    this.#timeline.after(ms, () => this.electLeader());
  }

  /**
   * The others elect a leader while `member`, which they cannot reach, stays in
   * the term before: it renews leases by itself until it notices.
   */
  deposeUnnoticed(member: Member): void {
    // Two of two would have to elect the other.
    if (this.members.length < 3 || this.#leaderless || member.stale) return;
    const { raftTerm, leases } = this.state;
    const granted = [...leases].map(([id, { ttlMs }]) => [id, ttlMs] as const);
    member.stale = { raftTerm, leases: new Map(granted) };
    member.isolated = true;
    this.state.changeLeader();
    this.#timeline.note(() => `etcd: ${member.name} is deposed, unnoticed`);
  }

  /** Every member reaches the others and knows the leader. */
  rejoin(): void {
    for (const member of this.members) {
      member.isolated = false;
      member.stale = undefined;
    }
  }

  /** Elects a leader if there is none. */
  electLeader(): void {
    if (!this.#leaderless) return;
    this.#leaderless = false;
    this.state.changeLeader();
    this.#timeline.note(() => "etcd: a new leader, every lease starts anew");
  }
}

/** A renewal by a deposed leader: it answers as if granted, and the lease is not renewed. */
function renewStale(
  { raftTerm, leases }: StaleLeadership,
  id: string,
): Message {
  const ttl = (leases.get(id) ?? 0) / 1_000;
  return { header: { raft_term: `${raftTerm}` }, ID: id, TTL: `${ttl}` };
}

/** An error that no client was told to expect, of each kind of status. */
function unexpectedError(kind: number): Refusal {
  const codes = [Code.UNKNOWN, Code.UNAVAILABLE, Code.INTERNAL];
  return new Refusal(codes[kind] ?? Code.UNKNOWN, "etcdserver: never heard of");
}

function told(method: string, request: Message): string {
  if (method !== "txn") return `${method} ${request.key ?? request.ID ?? ""}`;
  const checks = request.compare.map((check: Message) =>
    `${check.key}@${check.mod_revision ?? check.create_revision}`
  );
  const operations = request.success.map((operation: Message) => {
    const [kind, { key }] = Object.entries<Message>(operation)[0] ?? ["", {}];
    return `${kind} ${key}`;
  });
  return `txn if ${checks} then ${operations}`;
}
