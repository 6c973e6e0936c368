/**
 * etcd3's own builder API, for the bench.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Etcd3 } from "etcd3";
import { type Peer, runCallers } from "./peer.ts";

/** etcd3 on `endpoint`. */
export function etcd3Peer(endpoint: string): Peer & Disposable {
  const client = new Etcd3({ hosts: endpoint });
  return {
    name: "etcd3",
    run: (load) =>
      runCallers(load, {
        put: (key, value) =>
          client.put(key).value(Buffer.from(value.buffer)).exec(),
        get: (key) => client.get(key).buffer(),
      }),
    [Symbol.dispose]: () => client.close(),
  };
}
