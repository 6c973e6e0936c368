/**
 * The real etcd behind a hostile one, over HTTP/2 as it is.
 *
 * @module
 */

import http2 from "node:http2";
import { guardHttp2 } from "../../../src/etcd/client/guard_http2.ts";
import { frame, FrameReader } from "./etcd_messages.ts";

// The etcd behind is stopped while it is asked, which ends Deno without this.
guardHttp2();

/** One connection to a real etcd, opened anew when it broke. */
export class Upstream implements Disposable {
  readonly #url: string;
  #session: http2.ClientHttp2Session | undefined;

  /** The etcd at a client URL; nothing is sent yet. */
  constructor(url: string) {
    this.#url = url;
  }

  /** Sends one message and returns the one that comes back; empty if etcd refuses. */
  async ask(path: string, request: Uint8Array): Promise<Uint8Array> {
    const call = this.#open(path);
    const reader = new FrameReader();
    let answer = new Uint8Array();
    const over = Promise.withResolvers<void>();
    call.on("data", (piece: Uint8Array) => {
      for (const message of reader.push(piece)) {
        answer = Uint8Array.from(message);
      }
    });
    call.on("close", () => over.resolve());
    call.end(frame(request));
    await over.promise;
    return answer;
  }

  /** Sends one message, and all that comes back to `to`. */
  relay(
    path: string,
    { request, to }: {
      readonly request: Uint8Array;
      readonly to: http2.ServerHttp2Stream;
    },
  ): void {
    const call = this.#connect(path, to, (bytes) => [frame(bytes)]);
    call.end(frame(request));
  }

  /** Joins two streams; `twist` makes frames of each message that etcd says. */
  pipe(
    path: string,
    to: http2.ServerHttp2Stream,
    twist: (message: Uint8Array) => readonly Uint8Array[],
  ): void {
    const call = this.#connect(path, to, twist);
    to.on("data", (piece: Uint8Array) => {
      if (!call.destroyed) call.write(piece);
    });
    to.on("end", () => call.end());
    to.on("close", () => call.close());
  }

  /** Ends the connection. */
  [Symbol.dispose](): void {
    this.#session?.destroy();
  }

  #connect(
    path: string,
    to: http2.ServerHttp2Stream,
    twist: (message: Uint8Array) => readonly Uint8Array[],
  ): http2.ClientHttp2Stream {
    const call = this.#open(path);
    const reader = new FrameReader();
    let trailers: Record<string, string> = { "grpc-status": "14" };
    const keep = (headers: http2.IncomingHttpHeaders) => {
      for (const name of ["grpc-status", "grpc-message"]) {
        const value = headers[name];
        if (value !== undefined) {
          trailers = { ...trailers, [name]: `${value}` };
        }
      }
    };
    call.on("response", keep);
    call.on("trailers", keep);
    call.on("data", (piece: Uint8Array) => {
      for (const message of reader.push(piece)) {
        for (const bytes of twist(message)) {
          if (!to.destroyed) to.write(bytes);
        }
      }
    });
    call.on("close", () => {
      if (!to.destroyed) to.end();
    });
    to.respond({ ":status": 200, "content-type": "application/grpc" }, {
      waitForTrailers: true,
    });
    to.on("wantTrailers", () => to.sendTrailers(trailers));
    return call;
  }

  #open(path: string): http2.ClientHttp2Stream {
    let session = this.#session;
    if (session === undefined || session.destroyed || session.closed) {
      session = http2.connect(this.#url);
      session.on("error", () => {});
      this.#session = session;
    }
    const call = session.request({
      ":method": "POST",
      ":path": path,
      te: "trailers",
      "content-type": "application/grpc",
    });
    call.on("error", () => {});
    return call;
  }
}
