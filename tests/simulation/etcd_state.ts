/**
 * What a simulated etcd cluster has agreed on: keys with revisions, their
 * history, and leases. It takes and gives etcd's own messages.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { status as Code } from "@grpc/grpc-js";
import type { Timeline } from "./timeline.ts";

/** A key as etcd keeps it. */
export interface Entry {
  /** The key. */
  readonly key: string;
  /** Its value. */
  readonly value: string;
  /** The revision that made it. */
  readonly created: number;
  /** The revision that changed it last. */
  readonly changed: number;
  /** The lease that it ends with; "0" for none. */
  readonly lease: string;
}

/** One change of one key. */
export interface Change {
  /** What happened. */
  readonly type: "Put" | "Delete";
  /** The key after it; of a delete without a value. */
  readonly entry: Entry;
  /** The key before it. */
  readonly before: Entry | undefined;
}

/** A lease. */
export interface SimLease {
  /** What it was granted for, in milliseconds. */
  readonly ttlMs: number;
  /** When it may be ended, in true time. */
  endsMs: number;
}

/** etcd's answer when it refuses. */
export class Refusal extends Error {
  /** With a gRPC status and etcd's words. */
  constructor(readonly code: number, readonly details: string) {
    super(details);
  }
}

// deno-lint-ignore no-explicit-any -- etcd's messages, as they come from the wire
export type Message = any;

/** How late etcd ends a lease after its time, in milliseconds. */
const LESSOR_LATE_MS = 1_000;

/** The agreed state. Each call is one step of raft. */
export class EtcdState {
  /** All keys. */
  readonly entries = new Map<string, Entry>();
  /** All leases that were not ended. */
  readonly leases = new Map<string, SimLease>();
  /** Every change there ever was; compaction only hides it. */
  readonly history: Change[] = [];
  /** Changes up to this revision can no longer be had. */
  compacted = 0;
  /** The revision of the last change. */
  revision = 1;
  /** The raft term. */
  raftTerm = 2;
  /** Called after each step that changed something. */
  onChange: () => void = () => {};
  /** Called before a transaction is applied, with whether its checks hold. */
  onTransaction: (request: Message, succeeded: boolean) => void = () => {};
  readonly #timeline: Timeline;
  #lastLease = 0x1000;

  /** An empty state. */
  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** What etcd puts before every answer. */
  header(): Message {
    return { revision: `${this.revision}`, raft_term: `${this.raftTerm}` };
  }

  /**
   * Does what a unary call asks for.
   *
   * @throws {Refusal} as etcd refuses.
   */
  execute(method: string, request: Message): Message {
    switch (method) {
      case "range":
        return { header: this.header(), ...this.#range(request) };
      case "txn":
        return this.#transaction(request);
      case "leaseGrant":
        return this.#grant(Number(request.TTL));
      case "leaseRevoke":
        if (!this.leases.has(request.ID)) throw noLease();
        this.#revoke(request.ID);
        return { header: this.header() };
    }
    throw new TypeError(`The simulated etcd does not know "${method}"`);
  }

  /** Renews a lease; the TTL is 0 if it is gone or its time is over. */
  renew(id: string): Message {
    const lease = this.leases.get(id);
    const lives = lease && lease.endsMs > this.#timeline.nowMs;
    if (lives) lease.endsMs = this.#timeline.nowMs + lease.ttlMs;
    const ttl = lives ? lease.ttlMs / 1_000 : 0;
    return { header: this.header(), ID: id, TTL: `${ttl}` };
  }

  /** What a new leader does: a later term, and each lease starts anew. */
  changeLeader(): void {
    this.raftTerm += 1;
    for (const lease of this.leases.values()) {
      lease.endsMs = this.#timeline.nowMs + lease.ttlMs;
    }
  }

  /** Ends the leases whose time is over. */
  expireLeases(): void {
    for (const [id, { endsMs }] of this.leases) {
      if (endsMs <= this.#timeline.nowMs) this.#revoke(id);
    }
  }

  /** Writes and deletes at one revision; `undefined` deletes. */
  write(values: Readonly<Record<string, string | undefined>>): void {
    this.#apply(
      Object.entries(values).map(([key, value]) =>
        value === undefined
          ? { request_delete_range: { key } }
          : { request_put: { key, value } }
      ),
    );
  }

  #transaction({ compare, success, failure }: Message): Message {
    const succeeded = (compare ?? []).every((check: Message) => {
      const entry = this.entries.get(String(check.key));
      return check.target === "Create"
        ? (entry?.created ?? 0) === Number(check.create_revision)
        : (entry?.changed ?? 0) === Number(check.mod_revision);
    });
    const branch = (succeeded ? success : failure) ?? [];
    for (const { request_put: put } of branch) {
      if (put?.lease && !this.leases.has(put.lease)) throw noLease();
    }
    this.onTransaction({ compare, success }, succeeded);
    const responses = this.#apply(branch);
    return { header: this.header(), succeeded, responses };
  }

  #apply(operations: readonly Message[]): Message[] {
    const revision = this.revision + 1;
    const responses = operations.map((operation) => {
      const { request_put: put, request_delete_range: gone } = operation;
      if (put) this.#put(put, revision);
      else if (gone) this.#delete(String(gone.key), revision);
      else return { response_range: this.#range(operation.request_range) };
      return {};
    });
    if (this.revision === revision) this.onChange();
    return responses;
  }

  #put({ key, value, lease = "0" }: Message, revision: number): void {
    const before = this.entries.get(String(key));
    const entry = {
      key: String(key),
      value: String(value),
      created: before?.created ?? revision,
      changed: revision,
      lease: String(lease),
    };
    this.entries.set(entry.key, entry);
    this.history.push({ type: "Put", entry, before });
    this.revision = revision;
  }

  #delete(key: string, revision: number): void {
    const before = this.entries.get(key);
    if (!before) return;
    this.entries.delete(key);
    const entry = { ...before, value: "", changed: revision };
    this.history.push({ type: "Delete", entry, before });
    this.revision = revision;
  }

  #range(request: Message): Message {
    const inRange = within(request);
    const limit = request.max_create_revision === undefined
      ? Infinity
      : Number(request.max_create_revision);
    const found = [...this.entries.values()]
      .filter(({ key, created }) => inRange(key) && created <= limit);
    if (request.sort_target === "Create") {
      const sign = request.sort_order === "Descend" ? -1 : 1;
      found.sort((a, b) => sign * (a.created - b.created));
    } else {
      found.sort((a, b) => a.key < b.key ? -1 : 1);
    }
    const kvs = found.slice(0, request.limit || found.length).map(toMessage);
    return { kvs, more: kvs.length < found.length };
  }

  #grant(seconds: number): Message {
    const id = `${this.#lastLease += 1}`;
    // etcd may grant more than was asked for.
    const ttl = seconds + (this.#timeline.random.chance(0.1) ? 1 : 0);
    const ttlMs = ttl * 1_000;
    this.leases.set(id, { ttlMs, endsMs: this.#timeline.nowMs + ttlMs });
    this.#expireLater(id);
    return { header: this.header(), ID: id, TTL: `${ttl}` };
  }

  /** Ends a lease some time after its time is over. */
  #expireLater(id: string): void {
    const lease = this.leases.get(id);
    if (!lease) return;
    const { nowMs, random } = this.#timeline;
    const restMs = lease.endsMs - nowMs;
    if (restMs <= 0) return this.#revoke(id);
    const lateMs = random.chance(0.5) ? 0 : random.between(0, LESSOR_LATE_MS);
    this.#timeline.after(restMs + lateMs, () => this.#expireLater(id));
  }

  #revoke(id: string): void {
    if (!this.leases.delete(id)) return;
    const keys = [...this.entries.values()].filter(({ lease }) => lease === id);
    this.#timeline.note(() => `etcd: lease ${id} and ${keys.length} keys end`);
    this.#apply(keys.map(({ key }) => ({ request_delete_range: { key } })));
  }
}

/** The test for being in a request's range. */
export function within(request: Message): (key: string) => boolean {
  const first = String(request.key);
  if (!request.range_end?.length) return (key) => key === first;
  const end = String(request.range_end);
  return (key) => key >= first && key < end;
}

/** A key as etcd sends it. */
export function toMessage(entry: Entry): Message {
  return {
    key: Buffer.from(entry.key),
    value: Buffer.from(entry.value),
    create_revision: `${entry.created}`,
    lease: entry.lease,
    mod_revision: `${entry.changed}`,
  };
}

function noLease(): Refusal {
  return new Refusal(Code.NOT_FOUND, "etcdserver: requested lease not found");
}
