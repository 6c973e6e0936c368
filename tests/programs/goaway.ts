/**
 * A program for tests: an HTTP/2 client whose server sends GOAWAY and PING in one
 * packet, as etcd does when it stops, to connections without and with a stream.
 * It prints how many connections ended in order.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { guardHttp2 } from "../../src/etcd/client/guard_http2.ts";

const ROUNDS = 40;

/** One frame of HTTP/2 on the connection itself. */
function frame(type: number, flags: number, body: readonly number[]): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  return Buffer.concat([head, Buffer.from(body)]);
}

const SETTINGS = frame(4, 0, []);
const SETTINGS_ACK = frame(4, 1, []);
const PING = frame(6, 0, Array(8).fill(0));
const GOAWAY = frame(7, 0, [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

guardHttp2();
const server = net.createServer((socket) => {
  socket.on("error", () => {});
  socket.write(SETTINGS);
  socket.once("data", () => socket.write(SETTINGS_ACK));
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as net.AddressInfo;

let ended = 0;
for (let round = 0; round < ROUNDS; round++) {
  const accepted = once(server, "connection");
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  const [socket] = await accepted as [net.Socket];
  const closed = once(session, "close");
  await once(session, "localSettings");
  if (round % 2 === 1) {
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => {});
    stream.resume();
    await once(socket, "data");
  }
  const told = once(session, "goaway");
  socket.write(Buffer.concat([GOAWAY, PING, PING, PING]));
  await told;
  socket.end();
  await closed;
  ended++;
}
server.close();
// deno-lint-ignore no-console -- the result of this program
console.log(`${ended} of ${ROUNDS}`);
