/**
 * etcd's messages as bytes and back, and gRPC's frames around them: what a
 * hostile server needs to say anything it likes.
 *
 * @module
 */

import protobuf from "protobufjs/light";
import descriptor from "../../../src/etcd/client/etcd_protocol.json" with {
  type: "json",
};

/** A message as plain data: long numbers as text, enums by name. */
export type Message = Record<string, unknown>;

/** A call, as `KV/Range`. */
export type CallName = `${string}/${string}`;

// TypeScript sees what the file says, and not that it is a descriptor.
const root = protobuf.Root.fromJSON(descriptor as protobuf.INamespace);

/** The bytes of a message of `type`, as `RangeResponse`. */
export function encodeMessage(type: string, message: Message): Uint8Array {
  const found = root.lookupType(`etcdserverpb.${type}`);
  return found.encode(found.fromObject(message)).finish();
}

/** A message of `type` as plain data. */
export function decodeMessage(type: string, bytes: Uint8Array): Message {
  const found = root.lookupType(`etcdserverpb.${type}`);
  return found.toObject(found.decode(bytes), {
    longs: String,
    enums: String,
    arrays: true,
  });
}

/** The types of a call's request and answer, and whether it is a stream. */
export function typesOf(call: CallName): {
  readonly request: string;
  readonly answer: string;
  readonly isStream: boolean;
} {
  const [service = "", method = ""] = call.split("/");
  const found = root.lookupService(`etcdserverpb.${service}`).methods[method];
  if (found === undefined) throw new TypeError(`There is no call "${call}"`);
  return {
    request: found.requestType,
    answer: found.responseType,
    isStream: found.responseStream ?? false,
  };
}

/** Options of {@linkcode frame}. */
export interface FrameOptions {
  /** Whether the frame says that its message is compressed. @default {false} */
  readonly compressed?: boolean;
  /** The length that it announces. @default {the message's} */
  readonly announced?: number;
}

/** A message in a frame of gRPC's. */
export function frame(
  message: Uint8Array,
  { compressed = false, announced = message.length }: FrameOptions = {},
): Uint8Array {
  const whole = new Uint8Array(5 + message.length);
  whole[0] = compressed ? 1 : 0;
  new DataView(whole.buffer).setUint32(1, announced);
  whole.set(message, 5);
  return whole;
}

/** Takes bytes as they come and gives the messages in them. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array();

  /** The messages that are whole now. */
  push(piece: Uint8Array): Uint8Array[] {
    const bytes = new Uint8Array(this.#rest.length + piece.length);
    bytes.set(this.#rest);
    bytes.set(piece, this.#rest.length);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (bytes.length - at >= 5) {
      const length = new DataView(bytes.buffer).getUint32(at + 1);
      if (bytes.length - at - 5 < length) break;
      messages.push(bytes.slice(at + 5, at + 5 + length));
      at += 5 + length;
    }
    this.#rest = bytes.slice(at);
    return messages;
  }
}
