/**
 * etcd's protocol as stubs: a gRPC client class for each of its services.
 *
 * `deno task protocol` makes the descriptor from etcd3's `.proto` files. As a
 * module it can be bundled, needs no permission to read files, and loads faster
 * than files that are parsed at start. A class is made at its first use, from only
 * the messages that it sends: gRPC's own loader would prepare descriptions of all
 * 120 messages, which only servers need.
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
import { decoderOf, sizingDecoderOf } from "./message_decoder.ts";

/** The services of etcd that kat-agent uses. */
export type EtcdService = "KV" | "Watch" | "Lease" | "Cluster" | "Maintenance";

/** A client of a service; its methods are properties with their names. */
export type EtcdStub = Client & Record<string, unknown>;

// TypeScript knows the file's content, but not that it is a descriptor.
const root = protobuf.Root.fromJSON(descriptor as protobuf.INamespace);
const classes = new Map<EtcdService, ServiceClientConstructor>();

/** Returns the client class of a service. */
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
    responseDeserialize: responseStream
      ? sizingDecoderOf(response)
      : decoderOf(response),
  };
}

function encoderOf(type: protobuf.Type): (message: object) => Buffer {
  // protobufjs returns a Buffer where Node's interfaces exist; its type does not tell.
  return (message) => type.encode(type.fromObject(message)).finish() as Buffer;
}

function camelCase(name: string): string {
  return name.slice(0, 1).toLowerCase() + name.slice(1);
}
