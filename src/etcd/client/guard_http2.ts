/**
 * Keeps what a server sends from ending the whole process.
 *
 * Deno 2.9's HTTP/2 calls JavaScript while nghttp2 is still reading what came
 * from the socket. What that JavaScript closes or sends at once is meant to
 * wait, by a flag in `receive_data` (ext/node/ops/http2/session.rs); but the
 * optimised build lets both stores to that flag go, as nothing between them
 * seems to read it. So a GOAWAY frees the session whose next frame is read a
 * moment later: etcd says GOAWAY and PING in one breath when it stops, and the
 * process dies of signal 11 (denoland/deno#36788). Here the waiting is done in
 * JavaScript. Where the runtime does it too, this changes nothing.
 *
 * @module
 */

import http2 from "node:http2";
import { Duplex } from "node:stream";

/** What `node:http2` of Deno calls on the native side of a session. */
interface NativeSession {
  /** Reads what came from the socket and calls back for each frame. */
  receive(data: Uint8Array): void;
  /** Takes what is to be written next; empty if there is nothing. */
  getOutgoingChunk(): Uint8Array;
  /** Writes all that is to be written to the socket. */
  sendPending(): void;
  /** Frees the session. */
  destroy(...rest: unknown[]): void;
}

const NOTHING = new Uint8Array();

let guarded = false;

/**
 * Lets every HTTP/2 session of this thread, present and to come, finish reading
 * before it sends or ends. The second call does nothing, and so does the first
 * where the runtime has no such sessions.
 */
export function guardHttp2(): void {
  if (guarded) return;
  guarded = true;
  const methods = nativeMethods();
  if (methods === undefined) return;
  const { receive, getOutgoingChunk, destroy } = methods;
  const reading = new WeakMap<NativeSession, (() => void)[]>();

  methods.receive = function (this: NativeSession, data) {
    const afterwards: (() => void)[] = [];
    reading.set(this, afterwards);
    try {
      receive.call(this, data);
    } finally {
      reading.delete(this);
    }
    if (afterwards.length === 0) return;
    this.sendPending();
    for (const act of afterwards) act();
  };

  methods.getOutgoingChunk = function (this: NativeSession) {
    return reading.has(this) ? NOTHING : getOutgoingChunk.call(this);
  };

  methods.destroy = function (this: NativeSession, ...rest) {
    const afterwards = reading.get(this);
    if (afterwards === undefined) destroy.apply(this, rest);
    else afterwards.push(() => destroy.apply(this, rest));
  };
}

/** The methods that all native sessions share, found by way of one that leads nowhere. */
function nativeMethods(): NativeSession | undefined {
  const nowhere = new Duplex({ read() {}, write: (_data, _, done) => done() });
  const session = http2.connect("http://localhost", {
    createConnection: () => nowhere,
  });
  session.on("error", () => {});
  const handle = Object.getOwnPropertySymbols(session)
    .map((symbol) => Reflect.get(session, symbol))
    .find(isNativeSession);
  session.destroy();
  return handle && Object.getPrototypeOf(handle);
}

function isNativeSession(value: unknown): value is NativeSession {
  return ["receive", "getOutgoingChunk", "sendPending", "destroy"].every(
    (name) =>
      typeof value === "object" && value !== null &&
      typeof Reflect.get(value, name) === "function",
  );
}
