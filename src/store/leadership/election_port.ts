/**
 * What the election needs of a backend, apart from what every user of a store has.
 *
 * @module
 */

import type { StateStore, StoreOptions } from "../state_store.ts";

/** The part of a store that an election uses. */
export type ElectionStore = Pick<StateStore, "get" | "watch" | "doTransaction">;

/** A lease as the backend granted it. */
export interface GrantedLease {
  /** Names the lease. */
  readonly id: bigint;
  /** Its time to live as granted, in milliseconds; not always what was asked for. */
  readonly ttlMs: number;
}

/** One stream of renewals. */
export interface KeepAlive extends Disposable {
  /** Asks for a renewal. */
  renew(): void;
  /**
   * Resolves with the TTL that holds from when the renewal was asked for, 0 if
   * the lease is gone; rejects if that is not certain, or the stream broke.
   */
  next(): Promise<number>;
}

/** What a lease needs of a backend. */
export interface LeasePort {
  /** Makes a lease. Idempotent: an unused lease expires. */
  grantLease(ttlSeconds: number, options: StoreOptions): Promise<GrantedLease>;
  /** Ends a lease and deletes its keys. */
  revokeLease(id: bigint, options: StoreOptions): Promise<void>;
  /** Opens a stream of renewals, preferably to another member than one that just failed. */
  openKeepAlive(id: bigint, options: StoreOptions): Promise<KeepAlive>;
  /** Called when a stream seemed stuck. */
  preferNextMember(): void;
}

/** Where a candidate stands in the queue of candidates. */
export type Predecessor =
  /** It has no predecessor: it leads. */
  | { readonly place: "first" }
  /** Behind another candidate's key; `revision` is the one that this answer shows. */
  | {
    readonly place: "behind";
    readonly key: string;
    readonly revision: bigint;
    /** Whether the key ends with a lease: a candidate's always does. */
    readonly hasLease: boolean;
  }
  /** The candidate's own key was deleted or changed. */
  | { readonly place: "gone" };

/** What a candidate needs of a backend. */
export interface ElectionPort extends LeasePort {
  /**
   * Creates the candidate's key under its lease and returns the create
   * revision; finds it there if an earlier try had been done after all.
   */
  putKey(
    key: string,
    leaderId: string,
    options: StoreOptions & { readonly leaseId: bigint },
  ): Promise<bigint>;
  /** Reads, in one step, whether the candidate's key is unchanged and which key is before it. */
  predecessor(
    key: string,
    createRevision: bigint,
    options: StoreOptions,
  ): Promise<Predecessor>;
}
