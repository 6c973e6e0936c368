/**
 * A term as leader, from election to loss or resignation.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import type { ElectionStore } from "./election_port.ts";
import type { Lease } from "./lease.ts";
import {
  type Compare,
  type KV,
  type Leadership,
  LeadershipLostError,
  type Op,
  ResignedError,
  StoreError,
  type StoreOptions,
  type TransactionOptions,
} from "../state_store.ts";

/** What a term is made of. */
export interface TermInit {
  /** The clock that watches are polled by. */
  readonly clock: Clock;
  /** Keeps the key alive. */
  readonly lease: Lease;
  /** Who leads. */
  readonly leaderId: string;
  /** The election key that stands for this term. */
  readonly key: string;
  /** Its create revision. */
  readonly fence: bigint;
}

/**
 * How long telling the store of a resignation, and giving the lease back, may
 * take together before the lease is left to run out. Where a majority is, both
 * take milliseconds; where none is, as when all nodes stop at once, each would
 * wait for as long as it may. What was sent by then is mostly done all the same.
 */
const RESIGN_MS = 1_500;
/** The share of it that the first of the two may take. */
const TELLING = 2 / 3;

/**
 * ```
 *            lease over, key gone, guard refused
 *  leading ───────────────────────────────────────▶ lost ──┐
 *     │                                                    │ resign(): lease given back
 *     └── resign(): signal aborts, key deleted ──▶ resigned ┴─▶ over
 * ```
 */
export class Term implements Leadership {
  readonly leaderId: string;
  readonly fence: bigint;
  readonly guard: Compare;
  readonly #store: ElectionStore;
  readonly #lease: Lease;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  readonly #log = logger("store");
  readonly #watching: Promise<unknown>;
  #resignation: Promise<void> | undefined;

  /** A term that has just begun. */
  constructor(store: ElectionStore, init: TermInit) {
    this.leaderId = init.leaderId;
    this.fence = init.fence;
    this.guard = { key: init.key, expectedVersion: init.fence };
    this.#store = store;
    this.#lease = init.lease;
    this.#clock = init.clock;
    const lost = this.#lease.signal;
    lost.addEventListener("abort", () => this.#end(lost.reason), {
      signal: this.#over.signal,
    });
    this.#watching = Promise.all([this.#watchKey(), this.#pollKey()]);
  }

  get signal(): AbortSignal {
    const lost = this.#lease.signal;
    if (lost.aborted) this.#end(lost.reason);
    return this.#over.signal;
  }

  async doTransaction(
    checks: readonly Compare[],
    onSuccess: readonly Op[],
    options: TransactionOptions = {},
  ): Promise<boolean> {
    this.signal.throwIfAborted();
    const found: (KV | undefined)[] = [];
    // In the other branch the leader key tells which of the checks failed.
    const look: Op = { type: "get", key: this.guard.key };
    const committed = await this.#store.doTransaction(
      [this.guard, ...checks],
      onSuccess,
      [look],
      { ...options, results: found },
    );
    if (committed) {
      options.results?.push(...found);
      return true;
    }
    if (found[0]?.version === this.fence) return false;
    throw this.#loseKey();
  }

  resign(options: StoreOptions = {}): Promise<void> {
    return this.#resignation ??= this.#resign(options);
  }

  /** Resigns. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.resign();
  }

  async #resign(
    options: StoreOptions,
  ): Promise<void> {
    const { signal, timeoutMs = RESIGN_MS } = options;
    const endMs = this.#clock.nowMs() + timeoutMs;
    const held = !this.signal.aborted;
    this.#end(new ResignedError());
    await this.#watching;
    if (held) {
      const leave: Op = { type: "delete", key: this.guard.key };
      try {
        await this.#store.doTransaction([this.guard], [leave], [], {
          signal,
          timeoutMs: timeoutMs * TELLING,
        });
      } catch (error) {
        this.#log.warn(
          "The resignation did not reach the store: the lease has to run out",
          { reason: messageOf(error) },
        );
      }
    }
    const restMs = endMs - this.#clock.nowMs();
    await this.#lease.release({
      signal,
      timeoutMs: Math.max(restMs, timeoutMs * (1 - TELLING)),
    });
  }

  /** Ends the term on any change of its key: nobody else has business there. */
  async #watchKey(): Promise<void> {
    const signal = this.#over.signal;
    while (!signal.aborted) {
      try {
        await using watch = await this.#store.watch(this.guard.key, { signal });
        // What happened before the watch stood, only a read can tell.
        await this.#checkKey(signal);
        for await (const _change of watch) {
          this.#loseKey();
          return;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StoreError)) throw error;
        await this.#pause(signal);
      }
    }
  }

  /** Looks at the key now and then: old servers may lose an event or renew what is revoked. */
  async #pollKey(): Promise<void> {
    const signal = this.#over.signal;
    while (await this.#pause(signal)) {
      try {
        await this.#checkKey(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StoreError)) throw error;
      }
    }
  }

  async #checkKey(signal: AbortSignal): Promise<void> {
    const kv = await this.#store.get(this.guard.key, { signal });
    if (kv?.version !== this.fence) this.#loseKey();
  }

  #loseKey(): LeadershipLostError {
    const error = new LeadershipLostError("its election key is gone");
    this.#end(error);
    return error;
  }

  /** Half a TTL; false if the term ended meanwhile. */
  #pause(signal: AbortSignal): Promise<boolean> {
    return this.#clock.sleep(Math.max(1_000, this.#lease.ttlMs / 2), { signal })
      .then(() => true, () => false);
  }

  #end(reason: unknown): void {
    if (!this.#over.signal.aborted) this.#over.abort(reason);
  }
}
