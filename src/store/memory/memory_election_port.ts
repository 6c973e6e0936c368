/**
 * Leases and the queue of candidates, in memory.
 *
 * @module
 */

import { ELECTION_PREFIX } from "../keys.ts";
import type {
  ElectionPort,
  GrantedLease,
  KeepAlive,
  Predecessor,
} from "../leadership/election_port.ts";
import type { MemoryDatabase } from "./memory_database.ts";
import { type StoreOptions, StoreUnavailableError } from "../state_store.ts";

/** The election on a {@linkcode MemoryDatabase}. */
export class MemoryElectionPort implements ElectionPort {
  readonly #database: MemoryDatabase;
  readonly #throwIfUnreachable: () => void;

  /** An election on `database`; `throwIfUnreachable` stands for the way there. */
  constructor(database: MemoryDatabase, throwIfUnreachable: () => void) {
    this.#database = database;
    this.#throwIfUnreachable = throwIfUnreachable;
  }

  async grantLease(
    ttlSeconds: number,
    { signal }: StoreOptions,
  ): Promise<GrantedLease> {
    await this.#request(signal);
    const ttlMs = ttlSeconds * 1_000;
    return { id: this.#database.grantLease(ttlMs), ttlMs };
  }

  async revokeLease(id: bigint, { signal }: StoreOptions): Promise<void> {
    await this.#request(signal);
    this.#database.revokeLease(id);
  }

  async openKeepAlive(
    id: bigint,
    { signal }: StoreOptions,
  ): Promise<KeepAlive> {
    await this.#request(signal);
    const answers: number[] = [];
    return {
      renew: () => {
        this.#throwIfUnreachable();
        answers.push(this.#database.renewLease(id));
      },
      next: () => {
        const ttlMs = answers.shift();
        return ttlMs === undefined
          ? Promise.reject(new StoreUnavailableError("Nothing was asked"))
          : Promise.resolve(ttlMs);
      },
      [Symbol.dispose]: () => {},
    };
  }

  preferNextMember(): void {}

  async putKey(
    key: string,
    leaderId: string,
    { leaseId, signal }: StoreOptions & { readonly leaseId: bigint },
  ): Promise<bigint> {
    await this.#request(signal);
    const value = new TextEncoder().encode(leaderId);
    this.#database.transact(
      [{ key, expectedVersion: 0n }],
      [{ type: "put", key, value, lease: leaseId }],
      [],
    );
    return this.#database.entry(key)?.created ?? 0n;
  }

  async predecessor(
    key: string,
    createRevision: bigint,
    { signal }: StoreOptions,
  ): Promise<Predecessor> {
    await this.#request(signal);
    const { revision } = this.#database;
    if (this.#database.entry(key)?.version !== createRevision) {
      return { place: "gone" };
    }
    const before = this.#database.entries(ELECTION_PREFIX)
      .filter(({ created }) => created < createRevision)
      .sort((a, b) => Number(b.created - a.created))[0];
    return before
      ? {
        place: "behind",
        key: before.key,
        revision,
        hasLease: before.lease !== 0n,
      }
      : { place: "first" };
  }

  async #request(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    await Promise.resolve();
    this.#throwIfUnreachable();
  }
}
