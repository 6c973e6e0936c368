/**
 * The store as it is, for the bench.
 *
 * @module
 */

import type { StateStore } from "../src/store/state_store.ts";
import { type Peer, runCallers } from "./peer.ts";

/** `store` as somebody to measure. */
export function storePeer(store: StateStore): Peer {
  return {
    name: "StateStore",
    run: (load) =>
      runCallers(load, {
        put: (key, value) => store.put(key, value),
        get: (key) => store.get(key),
      }),
  };
}
