/**
 * The watches that a simulated cluster serves: late, in pieces, cancelled,
 * compacted, or silent.
 *
 * @module
 */

import type { EtcdCluster } from "./etcd_cluster.ts";
import { type Change, type Message, toMessage, within } from "./etcd_state.ts";
import type { Timeline } from "./timeline.ts";
import type { Wire } from "./wire.ts";

interface Watcher {
  readonly wire: Wire;
  readonly inRange: (key: string) => boolean;
  readonly start: number;
  readonly fragments: boolean;
  next: number;
  cancelled: boolean;
  silent: boolean;
  pumping: boolean;
}

/** How often an isolated member tries again to send, in milliseconds. */
const RETRY_MS = 200;

/** All watches of all members. */
export class WatchServer {
  /** Streams break when the first part of a message has been sent. */
  breaksInside = false;
  readonly #timeline: Timeline;
  readonly #cluster: EtcdCluster;
  readonly #watchers = new Set<Watcher>();

  /** A server without watches. */
  constructor(timeline: Timeline, cluster: EtcdCluster) {
    this.#timeline = timeline;
    this.#cluster = cluster;
    cluster.state.onChange = () => {
      for (const watcher of this.#watchers) this.#pumpLater(watcher);
    };
  }

  /** A message has come on a watch stream. */
  handle(wire: Wire, message: Message): void {
    const { state } = this.#cluster;
    if (message.progress_request) {
      const watcher = [...this.#watchers].find((one) => one.wire === wire);
      if (watcher) this.#pump(watcher);
      // A watch that starts in the future gets no answer.
      if (watcher && !isSilent(watcher) && watcher.start <= state.revision) {
        wire.send(this.#response({}));
      }
      return;
    }
    const { start_revision, fragment, ...range } = message.create_request;
    const start = Number(start_revision) || state.revision + 1;
    const watcher = {
      wire,
      inRange: within(range),
      start,
      fragments: fragment === true,
      next: start,
      cancelled: false,
      silent: false,
      pumping: false,
    };
    this.#watchers.add(watcher);
    wire.onClosed = () => this.#watchers.delete(watcher);
    wire.send(this.#response({ created: true }));
    this.#pumpLater(watcher);
  }

  /** Cancels a watch whose stream stays open, as etcd does. */
  cancelOne(): boolean {
    const watcher = this.#one();
    if (watcher) this.#cancel(watcher, { cancel_reason: "etcdserver: busy" });
    return watcher !== undefined;
  }

  /** Breaks a stream. */
  breakOne(): boolean {
    const watcher = this.#one();
    watcher?.wire.break();
    return watcher !== undefined;
  }

  /** A stream stays open and says nothing more, whatever happens. */
  silenceOne(): boolean {
    const watcher = this.#one();
    if (watcher) watcher.silent = true;
    return watcher !== undefined;
  }

  #one(): Watcher | undefined {
    const open = [...this.#watchers].filter(({ cancelled }) => !cancelled);
    return open.length > 0 ? this.#timeline.random.pick(open) : undefined;
  }

  #pumpLater(watcher: Watcher): void {
    if (watcher.pumping) return;
    watcher.pumping = true;
    const { random } = this.#timeline;
    const { lagMs } = watcher.wire.member;
    this.#timeline.after(random.between(0, lagMs || 3), () => {
      watcher.pumping = false;
      this.#pump(watcher);
    });
  }

  /** Sends what there is, in one message or in several, or says why not. */
  #pump(watcher: Watcher): void {
    if (isSilent(watcher)) return;
    if (!this.#watchers.has(watcher) || watcher.wire.member.down) return;
    const { state } = this.#cluster;
    if (watcher.wire.member.isolated) {
      this.#timeline.after(RETRY_MS, () => this.#pumpLater(watcher));
      return;
    }
    if (watcher.next < state.compacted) {
      const compact_revision = `${state.compacted}`;
      return this.#cancel(watcher, { compact_revision });
    }
    const { next, inRange } = watcher;
    const changes = state.history.filter(({ entry }) =>
      entry.changed >= next && inRange(entry.key)
    );
    watcher.next = Math.max(next, state.revision + 1);
    for (const part of this.#parts(changes)) {
      const pieces = watcher.fragments ? this.#pieces(part) : [part];
      for (const [index, piece] of pieces.entries()) {
        const fragment = index < pieces.length - 1;
        const events = piece.map(toEvent);
        watcher.wire.send(this.#response({ events, fragment }));
        if (fragment && this.breaksInside) return watcher.wire.break();
      }
    }
  }

  /** Cuts a message into fragments, also within a revision. */
  #pieces(part: readonly Change[]): Change[][] {
    const pieces: Change[][] = [[]];
    for (const change of part) {
      const last = pieces.at(-1) ?? [];
      const isCut = last.length > 0 && this.#timeline.random.chance(0.3);
      if (isCut) pieces.push([change]);
      else last.push(change);
    }
    return pieces;
  }

  /** Cuts changes into messages, never within a revision. */
  #parts(changes: readonly Change[]): Change[][] {
    const parts: Change[][] = [];
    for (const change of changes) {
      const last = parts.at(-1);
      const same = last?.at(-1)?.entry.changed === change.entry.changed;
      if (last && (same || this.#timeline.random.chance(0.5))) {
        last.push(change);
      } else parts.push([change]);
    }
    return parts;
  }

  #cancel(watcher: Watcher, how: Message): void {
    watcher.cancelled = true;
    watcher.wire.send(this.#response({ canceled: true, ...how }));
  }

  #response(fields: Message): Message {
    return {
      header: this.#cluster.state.header(),
      created: false,
      canceled: false,
      compact_revision: "0",
      cancel_reason: "",
      events: [],
      ...fields,
    };
  }
}

function isSilent({ cancelled, silent }: Watcher): boolean {
  return cancelled || silent;
}

function toEvent({ type, entry, before }: Change): Message {
  return {
    type,
    kv: toMessage(entry),
    prev_kv: before ? toMessage(before) : null,
  };
}
