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
import { fromJSON } from "@grpc/proto-loader";
import descriptor from "./etcd_protocol.json" with { type: "json" };

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
const loaded = loadPackageDefinition(fromJSON(root, LOADING));
const services = loaded.etcdserverpb as GrpcObject;

/** The client class of one service. */
export function etcdStub(service: EtcdService): ServiceClientConstructor {
  return services[service] as ServiceClientConstructor;
}

/** A client of a service; its methods are properties with their names. */
export type EtcdStub = Client & Record<string, unknown>;
