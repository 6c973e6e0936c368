/**
 * A term as leader, from election to loss or resignation.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { checkedOptions } from "../check_arguments.ts";
import type { ElectionStore } from "./election_port.ts";
import type { Lease } from "./lease.ts";
import {
  AnotherClusterError,
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
  /** The clock of pauses and deadlines. */
  readonly clock: Clock;
  /** The lease of the key. */
  readonly lease: Lease;
  /** The leader's ID. */
  readonly leaderId: string;
  /** The election key of this term. */
  readonly key: string;
  /** Its create revision. */
  readonly fence: bigint;
}

/**
 * How long a resignation may take: deleting the key and giving the lease back.
 * Later the lease expires. With a majority both take milliseconds; without one,
 * as when all nodes stop at once, each would use all its time.
 */
const RESIGN_MS = 1_500;
/** The share of it for deleting the key. */
const DELETE_SHARE = 2 / 3;

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
    // If a check fails, the election key shows whether it was the guard.
    const readKey: Op = { type: "get", key: this.guard.key };
    const committed = await this.#store.doTransaction(
      [this.guard, ...checks],
      onSuccess,
      [readKey],
      { ...options, results: found },
    );
    if (committed) {
      options.results?.push(...found);
      return true;
    }
    if (found[0]?.version === this.fence) return false;
    throw this.#loseKey();
  }

  async resign(options: StoreOptions = {}): Promise<void> {
    const checked = checkedOptions(options) ?? {};
    return await (this.#resignation ??= this.#resign(checked));
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
          timeoutMs: timeoutMs * DELETE_SHARE,
        });
      } catch (error) {
        this.#log.warn(
          "Cannot delete the election key: the lease will expire instead",
          { reason: messageOf(error) },
        );
      }
    }
    const restMs = endMs - this.#clock.nowMs();
    await this.#lease.release({
      signal,
      timeoutMs: Math.max(restMs, timeoutMs * (1 - DELETE_SHARE)),
    });
  }

  /** Ends the term on any change of its key: only this candidate writes it. */
  async #watchKey(): Promise<void> {
    const signal = this.#over.signal;
    while (!signal.aborted) {
      try {
        await using watch = await this.#store.watch(this.guard.key, { signal });
        // A change before the watch was open is found by a read only.
        await this.#checkKey(signal);
        for await (const _change of watch) {
          this.#loseKey();
          return;
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#endIfElsewhere(error);
        if (!(error instanceof StoreError)) throw error;
        await this.#pause(signal);
      }
    }
  }

  /** Reads the key every half TTL: old servers may lose an event, or renew a revoked lease. */
  async #pollKey(): Promise<void> {
    const signal = this.#over.signal;
    while (await this.#pause(signal)) {
      try {
        await this.#checkKey(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#endIfElsewhere(error);
        if (!(error instanceof StoreError)) throw error;
      }
    }
  }

  async #checkKey(signal: AbortSignal): Promise<void> {
    const kv = await this.#store.get(this.guard.key, { signal });
    if (kv?.version !== this.fence) this.#loseKey();
  }

  /** Another cluster knows nothing of this term, and the own one may not be there any more. */
  #endIfElsewhere(error: unknown): void {
    if (!(error instanceof AnotherClusterError)) return;
    this.#end(new LeadershipLostError(error.message));
  }

  /** Returns why the term is over: the resignation may have deleted the key. */
  #loseKey(): unknown {
    this.#end(new LeadershipLostError("its election key is gone"));
    return this.#over.signal.reason;
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
