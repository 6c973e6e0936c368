/**
 * Takes part in the election for one store: queues, waits for the predecessor to
 * go, and begins the term.
 *
 * The queue is etcd's own (Go's `clientv3/concurrency`): each candidate puts a
 * key under its lease, and the one with the lowest create revision leads.
 *
 * @module
 */

import { Backoff } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { electionKey } from "../keys.ts";
import type { ElectionPort, ElectionStore } from "./election_port.ts";
import { Lease } from "./lease.ts";
import {
  AnotherClusterError,
  type CandidacyOptions,
  type Leadership,
  LeadershipLostError,
  StoreClosedError,
  StoreError,
  type StoreOptions,
} from "../state_store.ts";
import { Term } from "./term.ts";

/** Options of {@linkcode Candidate.campaign}. */
export interface CampaignOptions extends CandidacyOptions {
  /** The TTL to ask for; the store may grant another. */
  readonly leaseTtlSeconds: number;
}

/** Campaigns and resigns for one store. */
export class Candidate {
  readonly #store: ElectionStore;
  readonly #port: ElectionPort;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  readonly #log = logger("store");
  #campaign: Promise<unknown> | undefined;
  #term: Term | undefined;
  /** Gives back the lease of a term that was lost. */
  #leaving: Promise<void> | undefined;

  /** A candidate that does nothing yet. */
  constructor(store: ElectionStore, port: ElectionPort, clock: Clock) {
    this.#store = store;
    this.#port = port;
    this.#clock = clock;
  }

  /** See {@linkcode StateStore.campaign}. */
  async campaign(
    leaderId: string,
    options: CampaignOptions,
  ): Promise<Leadership> {
    if (this.#closed.signal.aborted) throw new StoreClosedError();
    if (this.#campaign || (this.#term && !this.#term.signal.aborted)) {
      throw new StoreError("Cannot campaign: this store already takes part");
    }
    // Its lease would be renewed for ever if only its key was deleted.
    this.#leaving = this.resign();
    const signal = AbortSignal.any([
      this.#closed.signal,
      ...(options.signal ? [options.signal] : []),
    ]);
    const campaign = this.#untilElected(leaderId, {
      ...options,
      signal,
    });
    this.#campaign = campaign.catch(() => {});
    try {
      return this.#term = await campaign;
    } finally {
      this.#campaign = undefined;
    }
  }

  /** See {@linkcode StateStore.resign}. */
  async resign(options: StoreOptions = {}): Promise<void> {
    const term = this.#term;
    await term?.resign(options);
    // The next campaign may have been won meanwhile.
    if (this.#term === term) this.#term = undefined;
  }

  /** Ends a campaign and resigns a term. */
  async close(): Promise<void> {
    this.#closed.abort(new StoreClosedError());
    await this.#campaign;
    await Promise.all([this.#leaving, this.resign()]);
  }

  async #untilElected(
    leaderId: string,
    { leaseTtlSeconds, ...options }: CampaignOptions & { signal: AbortSignal },
  ): Promise<Term> {
    const pauses = new Backoff({ firstMs: 100, maxMs: 2_000 });
    const { signal } = options;
    while (true) {
      let lease: Lease | undefined;
      try {
        lease = await Lease.grant(this.#port, leaseTtlSeconds, {
          signal,
          clock: this.#clock,
        });
        return await this.#contest(leaderId, lease, options);
      } catch (error) {
        await lease?.release();
        signal.throwIfAborted();
        if (error instanceof AnotherClusterError) throw error;
        const expected = error instanceof StoreError ||
          error instanceof LeadershipLostError;
        if (!expected) throw error;
        const report = pauses.attempts === 0 ? "warn" : "debug";
        this.#log[report]("The campaign failed and will be repeated", {
          reason: messageOf(error),
        });
        await this.#clock.sleep(pauses.nextMs(), { signal });
      }
    }
  }

  /** Queues with one lease until elected; rejects when the lease or the key is lost. */
  async #contest(
    leaderId: string,
    lease: Lease,
    options: CandidacyOptions & { signal: AbortSignal },
  ): Promise<Term> {
    const signal = AbortSignal.any([options.signal, lease.signal]);
    const key = electionKey(lease.id);
    options.onCandidacy?.(key);
    const createRevision = await this.#port.putKey(key, leaderId, {
      signal,
      leaseId: lease.id,
    });
    let stray: string | undefined;
    while (true) {
      const predecessor = await this.#port.predecessor(key, createRevision, {
        signal,
      });
      // The answer may have come late, so the clock decides whether the lease still holds.
      lease.signal.throwIfAborted();
      switch (predecessor.place) {
        case "gone":
          throw new LeadershipLostError("its election key is gone");
        case "first":
          return new Term(this.#store, {
            clock: this.#clock,
            lease,
            leaderId,
            key,
            fence: createRevision,
          });
        case "behind":
          if (!predecessor.hasLease && stray !== predecessor.key) {
            stray = predecessor.key;
            this.#reportStray(predecessor.key);
          }
          await this.#deletion(predecessor.key, predecessor.revision + 1n, {
            signal,
            pollMs: Math.max(1_000, lease.ttlMs / 2),
          });
      }
    }
  }

  /** Warns of a key that was put by hand: it ends with no lease, and a user may want it. */
  #reportStray(key: string): void {
    this.#log.warn(
      "No candidate can lead while an election key without a lease exists",
      // Quoted for a shell, because any client of etcd may have chosen the name.
      { key, advice: `etcdctl del '${key.replaceAll("'", "'\\''")}'` },
    );
  }

  /**
   * Waits until a key is deleted, or until the predecessor should be read again:
   * old servers may lose an event, so a watch alone decides nothing.
   */
  async #deletion(
    key: string,
    startRevision: bigint,
    { signal, pollMs }: { signal: AbortSignal; pollMs: number },
  ): Promise<void> {
    const enough = new AbortController();
    const scope = AbortSignal.any([signal, enough.signal]);
    const poll = this.#clock.sleep(pollMs, { signal: scope })
      .then(() => enough.abort(), () => {});
    try {
      const watch = await this.#store.watch(key, {
        startRevision,
        signal: scope,
      });
      for await (const event of watch) {
        if (event.type === "delete") return;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (enough.signal.aborted) return;
      if (error instanceof AnotherClusterError) throw error;
      if (!(error instanceof StoreError)) throw error;
      // The predecessor is read again, after a pause so that a broken watch does not spin.
      await this.#clock.sleep(Math.min(pollMs, 250), { signal });
    } finally {
      enough.abort();
      await poll;
    }
  }
}
