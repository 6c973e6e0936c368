/**
 * Keeps a stopping etcd from crashing the whole process, by a workaround for an
 * error in Deno (denoland/deno#36788).
 *
 * Deno 2.9's HTTP/2 calls JavaScript while nghttp2 is still reading data from the
 * socket. If that JavaScript closes the session, the closing should wait until
 * the reading is done: a flag in `receive_data` (ext/node/ops/http2/session.rs)
 * is meant for that. The optimised build drops both writes of the flag, because
 * no code between them seems to read it. So a GOAWAY frees the session, and the
 * next frame is read from freed memory. etcd sends GOAWAY and PING in one packet
 * when it stops, and the process dies of signal 11. Here JavaScript itself waits.
 * It changes nothing where the runtime waits as well.
 *
 * @module
 */

import http2 from "node:http2";
import { Duplex } from "node:stream";

/** What `node:http2` of Deno calls on the native side of a session. */
interface NativeSession {
  /** Reads data from the socket and calls back for each frame. */
  receive(data: Uint8Array): void;
  /** Returns the data to write next; empty if there is none. */
  getOutgoingChunk(): Uint8Array;
  /** Writes all waiting data to the socket. */
  sendPending(): void;
  /** Frees the session. */
  destroy(...rest: unknown[]): void;
}

const NOTHING = new Uint8Array();

let guarded = false;

/**
 * Makes every present and future HTTP/2 session of this thread finish reading
 * before it sends or ends. A second call does nothing, and neither does the first
 * if the runtime has no such methods.
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

/** The methods that all native sessions share, found on a session without a server. */
function nativeMethods(): NativeSession | undefined {
  const noServer = new Duplex({ read() {}, write: (_data, _, done) => done() });
  const session = http2.connect("http://localhost", {
    createConnection: () => noServer,
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
