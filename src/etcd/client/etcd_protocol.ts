/**
 * etcd's protocol as stubs: a gRPC client class for each of its services.
 *
 * The descriptor is made of etcd3's `.proto` files by `deno task protocol`. As
 * a module it can be bundled, needs no permission to read files, and is there
 * sooner than files that are parsed at start. A class is made when it is first
 * asked for, of nothing but the messages that it sends: gRPC's own loader
 * would describe each of the 120 messages to servers that reflect on them.
 *
 * @module
 */

import {
  type Client,
  makeClientConstructor,
  type MethodDefinition,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import protobuf from "protobufjs/light";
import descriptor from "./etcd_protocol.json" with { type: "json" };
import { decoderOf } from "./message_decoder.ts";

/** The services of etcd that are used. */
export type EtcdService = "KV" | "Watch" | "Lease" | "Cluster" | "Maintenance";

/** A client of a service; its methods are properties with their names. */
export type EtcdStub = Client & Record<string, unknown>;

// TypeScript sees what the file says, and not that it is a descriptor.
const root = protobuf.Root.fromJSON(descriptor as protobuf.INamespace);
const classes = new Map<EtcdService, ServiceClientConstructor>();

/** The client class of one service. */
export function etcdStub(service: EtcdService): ServiceClientConstructor {
  let stub = classes.get(service);
  if (stub === undefined) {
    const { fullName, methodsArray } = root.lookupService(
      `etcdserverpb.${service}`,
    );
    const methods = methodsArray.map((method) =>
      [camelCase(method.name), methodOf(method, fullName.slice(1))] as const
    );
    stub = makeClientConstructor(Object.fromEntries(methods), service);
    classes.set(service, stub);
  }
  return stub;
}

function methodOf(
  method: protobuf.Method,
  service: string,
): MethodDefinition<object, object> {
  const { name, requestType, responseType, requestStream, responseStream } =
    method;
  const request = root.lookupType(`etcdserverpb.${requestType}`);
  const response = root.lookupType(`etcdserverpb.${responseType}`);
  return {
    path: `/${service}/${name}`,
    requestStream: requestStream ?? false,
    responseStream: responseStream ?? false,
    requestSerialize: encoderOf(request),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: encoderOf(response),
    responseDeserialize: decoderOf(response),
  };
}

function encoderOf(type: protobuf.Type): (message: object) => Buffer {
  // Under Node's interfaces it is a Buffer, whatever its type says.
  return (message) => type.encode(type.fromObject(message)).finish() as Buffer;
}

function camelCase(name: string): string {
  return name.slice(0, 1).toLowerCase() + name.slice(1);
}
