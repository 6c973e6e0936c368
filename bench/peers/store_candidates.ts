/**
 * Candidates that are stores of their own, and the hand-over between them.
 *
 * @module
 */

import { sleep } from "../../tests/machine/sleep.ts";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { ELECTION_PREFIX } from "../../src/store/keys.ts";
import type { Leadership } from "../../src/store/state_store.ts";

/** The stores that campaign. */
export interface Campaign {
  /** How many candidates there are, each with a connection and a lease of its own. */
  readonly candidates: number;
  /** The lease to ask for, in seconds. */
  readonly ttlSeconds: number;
}

/** What is handed over. */
export interface HandOver {
  /** How many times. */
  readonly terms: number;
  /** Whether a candidate that resigned queues again first. */
  readonly again: boolean;
}

interface Elected {
  readonly store: EtcdStore;
  readonly leadership: Leadership;
  readonly atMs: number;
}

/** A candidate that has put its key has yet to watch the one before it. */
const SETTLING_MS = 200;
/** The pause between two looks at the queue. */
const LOOK_MS = 10;

/** Candidates in a queue. */
export class StoreCandidates {
  readonly #stores: readonly EtcdStore[];
  readonly #ttlSeconds: number;
  readonly #leaving = new AbortController();
  readonly #campaigns = new Set<Promise<void>>();
  #next = Promise.withResolvers<Elected>();
  #leader: Elected | undefined;

  private constructor(endpoint: string, { candidates, ttlSeconds }: Campaign) {
    this.#ttlSeconds = ttlSeconds;
    this.#stores = Array.from(
      { length: candidates },
      () => new EtcdStore({ endpoints: [endpoint] }),
    );
  }

  /** Resolves when one leads and all others wait. */
  static async enter(
    endpoint: string,
    campaign: Campaign,
  ): Promise<StoreCandidates> {
    const candidates = new StoreCandidates(endpoint, campaign);
    for (const store of candidates.#stores) candidates.#enter(store);
    await candidates.#elected();
    await candidates.#allWaiting();
    return candidates;
  }

  /** One leader after the other resigns; returns how long each time there was no leader, in milliseconds. */
  async handOver({ terms, again }: HandOver): Promise<readonly number[]> {
    const times: number[] = [];
    for (let term = 0; term < terms; term++) {
      const old = this.#leader;
      if (old === undefined) throw new Error("There is no leader");
      const startMs = performance.now();
      const resigned = old.leadership.resign();
      const { atMs } = await this.#elected();
      await resigned;
      times.push(atMs - startMs);
      if (again) {
        this.#enter(old.store);
        await this.#allWaiting();
      }
    }
    return times;
  }

  /** Ends all of them. */
  async leave(): Promise<void> {
    this.#leaving.abort(new Error("The candidates leave"));
    await Promise.all(this.#campaigns);
    await Promise.all(this.#stores.map((store) => store.close()));
  }

  #enter(store: EtcdStore): void {
    const campaign = (async () => {
      const { signal } = this.#leaving;
      const leaderId = `candidate-${this.#stores.indexOf(store)}`;
      try {
        const options = { signal };
        const leadership = await store.campaign(
          leaderId,
          this.#ttlSeconds,
          options,
        );
        this.#next.resolve({ store, leadership, atMs: performance.now() });
      } catch (error) {
        if (!signal.aborted) this.#next.reject(error);
      }
    })();
    this.#campaigns.add(campaign);
    campaign.then(() => this.#campaigns.delete(campaign));
  }

  async #elected(): Promise<Elected> {
    const elected = await this.#next.promise;
    this.#next = Promise.withResolvers();
    return this.#leader = elected;
  }

  async #allWaiting(): Promise<void> {
    const [first] = this.#stores;
    while (
      (await first?.list(ELECTION_PREFIX))?.length !== this.#stores.length
    ) await sleep(LOOK_MS);
    await sleep(SETTLING_MS);
  }
}
