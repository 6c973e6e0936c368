/**
 * Writes `src/etcd/client/etcd_protocol.json`, etcd3's protocol files as one
 * descriptor; `deno task protocol`, after another etcd3 was pinned.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

/** Where the descriptor is kept. */
export const DESCRIPTOR_FILE: string = fileURLToPath(
  new URL("../src/etcd/client/etcd_protocol.json", import.meta.url),
);

if (import.meta.main) {
  await Deno.writeTextFile(DESCRIPTOR_FILE, describeProtocol());
}

/**
 * Reads etcd3's `.proto` files and returns the descriptor as JSON text, without
 * etcd's users and roles, and the mapping of its JSON gateway: kat-agent uses
 * none of these, and each start reads the whole descriptor.
 */
export function describeProtocol(): string {
  const root = new protobuf.Root();
  const file = fileURLToPath(import.meta.resolve("etcd3/proto/rpc.proto"));
  // Names stay as etcd writes them, as in the types of etcd3.
  root.loadSync(file, { keepCase: true });
  // etcd tells its quota since 3.6, which etcd3's files do not know yet.
  root.lookupType("etcdserverpb.StatusResponse")
    .add(new protobuf.Field("dbSizeQuota", 12, "int64"));
  const etcd = root.lookup("etcdserverpb") as protobuf.Namespace;
  for (const part of etcd.nestedArray) {
    if (part.name.startsWith("Auth")) etcd.remove(part);
    if (part instanceof protobuf.Service) part.methodsArray.forEach(unmap);
  }
  const roles = root.lookup("authpb");
  if (roles) root.remove(roles);
  return JSON.stringify(root.toJSON(), null, 1) + "\n";
}

function unmap(method: protobuf.Method): void {
  delete method.options;
  delete method.parsedOptions;
}
