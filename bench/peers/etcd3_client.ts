/**
 * etcd3's own builder API, for the bench.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Etcd3 } from "etcd3";
import type { BenchClient } from "./bench_client.ts";

/** etcd3 on `endpoint`. */
export function etcd3Client(endpoint: string): BenchClient {
  const client = new Etcd3({
    hosts: endpoint,
    // With the usual 4 MiB a long list is an error.
    grpcOptions: { "grpc.max_receive_message_length": -1 },
  });
  return {
    put: (key, value) =>
      client.put(key).value(Buffer.from(value.buffer)).exec(),
    get: (key) => client.get(key).buffer(),
    async list(prefix) {
      const found = await client.getAll().prefix(prefix).buffers();
      return Object.keys(found).length;
    },
    async watch(prefix, onValue) {
      const watcher = await client.watch().prefix(prefix).withPreviousKV()
        .create();
      watcher.on("put", ({ value }) => onValue(value));
      return () => watcher.cancel();
    },
    close: () => client.close(),
  };
}
