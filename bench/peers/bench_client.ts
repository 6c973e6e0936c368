/**
 * What the bench asks of a client of etcd under Deno.
 *
 * @module
 */

/** A client of one etcd. */
export interface BenchClient {
  /** Sets a key. */
  readonly put: (key: string, value: Uint8Array) => Promise<unknown>;
  /** Reads a key. */
  readonly get: (key: string) => Promise<unknown>;
  /** Reads all keys with a prefix and their values; returns how many there are. */
  readonly list: (prefix: string) => Promise<number>;
  /**
   * Watches all keys with a prefix, earlier values included; resolves once the
   * watch stands, with what ends it.
   */
  readonly watch: (
    prefix: string,
    onValue: (value: Uint8Array) => void,
  ) => Promise<() => Promise<unknown>>;
  /** Ends it. */
  readonly close: () => Promise<void> | void;
}
