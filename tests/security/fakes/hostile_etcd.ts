/**
 * A server that speaks gRPC as etcd does and lies where a test wants it to.
 *
 * With a real etcd behind it, it is a man in the middle: each call goes there,
 * and the test changes what comes back. Without one, what the test does not
 * answer is refused as unimplemented.
 *
 * @module
 */

import http2 from "node:http2";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  type CallName,
  decodeMessage,
  encodeMessage,
  frame,
  FrameReader,
  type Message,
  typesOf,
} from "./etcd_messages.ts";
import { Upstream } from "./upstream.ts";

/** What a test says in place of etcd; all that is absent is as etcd's. */
export interface Lie {
  /** Messages, in the call's own type. */
  readonly messages?: readonly Message[];
  /** Bytes after the messages, as they are; an endless source is read as long as the client takes them. */
  readonly raw?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Headers besides the usual ones, as `grpc-encoding`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The trailers. @default {{ "grpc-status": "0" }} */
  readonly trailers?: Readonly<Record<string, string>>;
  /** Whether the stream stays open after all that. @default {false} */
  readonly staysOpen?: boolean;
}

/** A call as a test sees it. */
export interface HostileCall {
  /** Which one. */
  readonly name: CallName;
  /** How many calls of that name came before. */
  readonly count: number;
  /** What was asked; empty for a stream, whose messages come later. */
  readonly request: Message;
  /** Lets the real etcd answer; only for calls that are no streams. */
  readonly real: () => Promise<Message>;
}

/** Options of {@linkcode startHostileEtcd}. */
export interface HostileOptions {
  /** The client URL of a real etcd. */
  readonly behind?: string;
  /** The port. @default {0, a free one} */
  readonly port?: number;
  /** What to say instead of etcd; `undefined` lets etcd speak. */
  readonly lie?: (
    call: HostileCall,
  ) => Lie | undefined | Promise<Lie | undefined>;
  /** Changes a message of a stream that goes on; several are sent for it, or none. */
  readonly twist?: (name: CallName, message: Message) => readonly Message[];
}

/** A running server; disposing ends it with all its connections. */
export interface HostileEtcd extends AsyncDisposable {
  /** Its client URL. */
  readonly endpoint: string;
  /** Names of the calls so far. */
  readonly calls: readonly CallName[];
}

/** Starts the server on 127.0.0.1. */
export async function startHostileEtcd(
  { behind, port = 0, lie, twist }: HostileOptions,
): Promise<HostileEtcd> {
  const upstream = behind === undefined ? undefined : new Upstream(behind);
  const calls: CallName[] = [];
  const sessions = new Set<http2.Http2Session>();
  const server = http2.createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    // A server has no other streams, whatever the types say.
    const own = stream as http2.ServerHttp2Stream;
    serve(own, String(headers[":path"])).catch(() => own.close());
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");

  async function serve(
    stream: http2.ServerHttp2Stream,
    path: string,
  ): Promise<void> {
    const name = path.replace(/^\/etcdserverpb\./, "") as CallName;
    const types = typesOf(name);
    const count = calls.filter((one) => one === name).length;
    calls.push(name);
    const request = types.isStream ? undefined : await wholeRequest(stream);
    const told = await lie?.({
      name,
      count,
      request: request ? decodeMessage(types.request, request) : {},
      async real() {
        if (!upstream || !request) throw new Error("There is no etcd behind");
        return decodeMessage(types.answer, await upstream.ask(path, request));
      },
    });
    if (told) return await tell(stream, types.answer, told);
    if (upstream === undefined) {
      const trailers = { "grpc-status": "12", "grpc-message": "not here" };
      return await tell(stream, types.answer, { messages: [], trailers });
    }
    if (request) return await upstream.relay(path, { request, to: stream });
    upstream.pipe(path, stream, (bytes) => {
      if (!twist) return [frame(bytes)];
      const messages = twist(name, decodeMessage(types.answer, bytes));
      return messages.map((one) => frame(encodeMessage(types.answer, one)));
    });
  }

  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const session of sessions) session.destroy();
      upstream?.[Symbol.dispose]();
      await closed;
    },
  };
}

async function wholeRequest(
  stream: http2.ServerHttp2Stream,
): Promise<Uint8Array> {
  const reader = new FrameReader();
  const messages: Uint8Array[] = [];
  const whole = Promise.withResolvers<void>();
  // Answered before the client's end of the stream: gRPC sends one message.
  stream.on("data", (piece: Uint8Array) => {
    messages.push(...reader.push(piece));
    if (messages.length > 0) whole.resolve();
  });
  stream.on("end", () => whole.resolve());
  stream.on("close", () => whole.resolve());
  await whole.promise;
  return messages[0] ?? new Uint8Array();
}

async function tell(
  stream: http2.ServerHttp2Stream,
  type: string,
  { messages = [], raw = [], headers, trailers, staysOpen = false }: Lie,
): Promise<void> {
  stream.respond({
    ":status": 200,
    "content-type": "application/grpc",
    ...headers,
  }, { waitForTrailers: true });
  stream.on("wantTrailers", () => {
    stream.sendTrailers({ "grpc-status": "0", ...trailers });
  });
  for (const message of messages) {
    stream.write(frame(encodeMessage(type, message)));
  }
  for await (const piece of raw) {
    if (stream.destroyed) return;
    if (!stream.write(piece)) await drained(stream);
  }
  if (!staysOpen && !stream.destroyed) stream.end();
}

async function drained(stream: http2.ServerHttp2Stream): Promise<void> {
  const moved = Promise.withResolvers<void>();
  const go = () => moved.resolve();
  stream.once("drain", go);
  stream.once("close", go);
  if (stream.destroyed) go();
  await moved.promise;
  stream.off("drain", go);
  stream.off("close", go);
}
