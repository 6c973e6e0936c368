/**
 * etcd's protocol as stubs: a gRPC client class for each of its services.
 *
 * The descriptor is made of etcd3's `.proto` files by `deno task protocol`. As
 * a module it can be bundled, needs no permission to read files, and is there
 * sooner than files that are parsed at start.
 *
 * @module
 */

import {
  type Client,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { fromJSON, type PackageDefinition } from "@grpc/proto-loader";
import protobuf from "protobufjs";
import descriptor from "./etcd_protocol.json" with { type: "json" };
import { decoderOf } from "./message_decoder.ts";

/** The services of etcd that are used. */
export type EtcdService = "KV" | "Watch" | "Lease" | "Cluster" | "Maintenance";

/** As the types of etcd3 describe messages. */
const LOADING = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
};

// TypeScript sees what the file says, and not that it is a descriptor.
const root = descriptor as unknown as Parameters<typeof fromJSON>[0];
const types = protobuf.Root.fromJSON(root);
const loaded = loadPackageDefinition(
  withDecoders(fromJSON(root, LOADING)),
);
const services = loaded.etcdserverpb as GrpcObject;

/** The client class of one service. */
export function etcdStub(service: EtcdService): ServiceClientConstructor {
  return services[service] as ServiceClientConstructor;
}

/** A client of a service; its methods are properties with their names. */
export type EtcdStub = Client & Record<string, unknown>;

/** The same services, with answers that are read by our own decoders. */
function withDecoders(services: PackageDefinition): PackageDefinition {
  return Object.fromEntries(
    Object.entries(services).map(([name, service]) => {
      const described = types.lookup(name);
      if (!(described instanceof protobuf.Service)) return [name, service];
      const { methods } = described;
      return [
        name,
        Object.fromEntries(
          Object.entries(service).map(([method, one]) => {
            const type = `etcdserverpb.${methods[method]?.responseType}`;
            const responseDeserialize = decoderOf(types.lookupType(type));
            return [method, { ...one, responseDeserialize }];
          }),
        ),
      ];
    }),
  );
}
