/**
 * A request that goes to addresses that were checked, where `fetch` would look up
 * the name once more and could be told another address.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import ipaddr from "ipaddr.js";
import { abortable } from "../../base/abortable.ts";
import { systemClock } from "../../base/clock.ts";

/** Returns all addresses of the host in a URL. */
export async function addressesOf(
  { hostname }: URL,
): Promise<readonly string[]> {
  const literal = hostname.replace(/^\[(.*)\]$/, "$1");
  if (ipaddr.isValid(literal)) return [literal];
  const { lookup } = await import("node:dns/promises");
  try {
    const found = await lookup(hostname, { all: true });
    return found.map(({ address }) => address);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    throw new Error(`cannot resolve the name "${hostname}": ${code}`);
  }
}

/** Options of {@linkcode requestAt}. */
export interface PinnedRequestOptions {
  /** Where the server is; they are tried in turn. */
  readonly addresses: readonly string[];
  /** The headers of the request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Aborts the connection, also while the body is being read. */
  readonly signal: AbortSignal;
}

/** Sends a GET, through no proxy, and returns the answer, redirects included. */
export async function requestAt(
  url: URL,
  { addresses, headers, signal }: PinnedRequestOptions,
): Promise<Response> {
  const { Agent, request, STATUS_CODES } = await import("node:http");
  const { Duplex } = await import("node:stream");
  const connection = await connect(url, { addresses, signal });
  // Of Node only the protocol is used: its TLS knows no DENO_CERT.
  // Deno and Node declare the same streams differently.
  const stream = Duplex.fromWeb(
    connection as unknown as Parameters<typeof Duplex.fromWeb>[0],
  );
  const agent = Object.assign(new Agent(), { createConnection: () => stream });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const plain = Object.assign(new URL(url), { protocol: "http:" });
  const sent = request(plain, {
    agent,
    headers: { host: url.host, ...headers },
    signal,
  });
  sent.on("response", resolve);
  sent.on("error", reject);
  sent.end();
  const answer = await promise;
  // The server's own words for its status are not shown.
  return toResponse(answer, STATUS_CODES[answer.statusCode ?? 0] ?? "");
}

/** How long after one address the next is tried, in milliseconds (RFC 8305). */
const NEXT_ADDRESS_MS = 250;

interface ConnectOptions {
  readonly addresses: readonly string[];
  readonly signal: AbortSignal;
}

/** Connects to the first of the addresses that takes the connection. */
async function connect(
  { protocol, hostname, port }: URL,
  { addresses, signal }: ConnectOptions,
): Promise<Deno.TcpConn | Deno.TlsConn> {
  const isTls = protocol === "https:";
  const first = new AbortController();
  const ended = AbortSignal.any([signal, first.signal]);
  const attempts = addresses.map(async (address, index) => {
    await systemClock.sleep(index * NEXT_ADDRESS_MS, { signal: ended });
    const connection = await Deno.connect({
      hostname: address,
      port: Number(port) || (isTls ? 443 : 80),
      signal: ended,
    });
    if (ended.aborted) {
      connection.close();
      throw ended.reason;
    }
    first.abort();
    return connection;
  });
  const tcp = await Promise.any(attempts).catch(({ errors }) => {
    throw errors[0];
  });
  if (!isTls) return tcp;
  const tls = await Deno.startTls(tcp, {
    hostname: hostname.replace(/^\[(.*)\]$/, "$1"),
  });
  try {
    await abortable(tls.handshake(), signal);
  } catch (error) {
    tls.close();
    throw error;
  }
  return tls;
}

/** Statuses whose answer has no body, and of which a `Response` accepts none. */
const WITHOUT_BODY = [204, 205, 304];

function toResponse(answer: IncomingMessage, statusText: string): Response {
  const { statusCode = 0, rawHeaders } = answer;
  const hasBody = !WITHOUT_BODY.includes(statusCode);
  if (!hasBody || statusCode < 200 || statusCode > 599) answer.destroy();
  if (statusCode < 200 || statusCode > 599) {
    throw new Error(`the server answers ${statusCode}`);
  }
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    headers.append(rawHeaders[at] ?? "", rawHeaders[at + 1] ?? "");
  }
  return new Response(hasBody ? bodyOf(answer) : null, {
    status: statusCode,
    statusText,
    headers,
  });
}

/**
 * The body, up to the last byte that came before a connection broke: the streams
 * of Node and of the web both drop what was not read yet when they fail.
 */
function bodyOf(answer: IncomingMessage): ReadableStream<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let end: { readonly error?: unknown } | undefined;
  let wake = () => {};
  answer.on("data", (piece: Uint8Array) => {
    pieces.push(piece);
    answer.pause();
    wake();
  });
  const finish = (error?: unknown) => {
    end ??= error === undefined ? {} : { error };
    wake();
  };
  answer.on("end", () => finish());
  answer.on("error", finish);
  answer.on("close", () => finish(new Error("the connection was closed")));
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (pieces.length === 0 && end === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        answer.resume();
        await promise;
      }
      const piece = pieces.shift();
      if (piece !== undefined) controller.enqueue(piece);
      else if (end?.error === undefined) controller.close();
      else controller.error(end.error);
    },
    cancel: () => void answer.destroy(),
  }, { highWaterMark: 0 });
}
