/**
 * The store as it is, for the bench.
 *
 * @module
 */

import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import type { StateStore } from "../../src/store/state_store.ts";
import type { BenchClient } from "./bench_client.ts";

/** The store on `endpoint`. */
export function storeClient(endpoint: string): BenchClient {
  const store: StateStore = new EtcdStore({ endpoints: [endpoint] });
  return {
    put: (key, value) => store.put(key, value),
    get: (key) => store.get(key),
    list: async (prefix) => (await store.list(prefix)).length,
    async watch(prefix, onValue) {
      const watch = await store.watch(prefix);
      const reading = (async () => {
        for await (const { kv } of watch) onValue(kv.value);
      })();
      return () => {
        watch.close();
        return reading;
      };
    },
    close: () => store.close(),
  };
}
