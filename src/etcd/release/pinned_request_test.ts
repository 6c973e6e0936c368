import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { addressesOf, requestAt } from "./pinned_request.ts";

const NEVER = new AbortController().signal;

function startServer(hostname: string) {
  const server = Deno.serve(
    { hostname, port: 0, onListen() {} },
    (request) => new Response(request.headers.get("host")),
  );
  return Object.assign(server, { port: (server.addr as Deno.NetAddr).port });
}

Deno.test("addressesOf() takes an address as it is, and looks a name up", async () => {
  deepStrictEqual(await addressesOf(new URL("http://[::1]:7/")), ["::1"]);
  deepStrictEqual(await addressesOf(new URL("http://0x7f.1/")), ["127.0.0.1"]);
  await rejects(
    addressesOf(new URL("http://nowhere.invalid/")),
    /cannot resolve the name "nowhere\.invalid"/,
  );
});

Deno.test("requestAt() asks the address that it is given, by the name in the URL", async () => {
  await using server = startServer("127.0.0.1");
  const url = new URL(`http://nowhere.invalid:${server.port}/`);

  const response = await requestAt(url, {
    addresses: ["127.0.0.1"],
    headers: {},
    signal: NEVER,
  });

  strictEqual(await response.text(), `nowhere.invalid:${server.port}`);
});

Deno.test("requestAt() takes the next address where one refuses", async () => {
  await using server = startServer("127.0.0.1");
  const url = new URL(`http://nowhere.invalid:${server.port}/`);

  const response = await requestAt(url, {
    addresses: ["::1", "127.0.0.1"],
    headers: {},
    signal: NEVER,
  });

  strictEqual(response.status, 200);
  await response.body?.cancel();
});

Deno.test("requestAt() says why no address takes the connection", async () => {
  const { port } = await ended(startServer("127.0.0.1"));

  await rejects(
    requestAt(new URL(`http://nowhere.invalid:${port}/`), {
      addresses: ["127.0.0.1", "::1"],
      headers: {},
      signal: NEVER,
    }),
    /refused/i,
  );
});

/** The port of a server that has ended. */
async function ended(server: ReturnType<typeof startServer>) {
  await server.shutdown();
  return server;
}
