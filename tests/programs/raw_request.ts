/**
 * One HTTP/1.1 request, byte for byte as an attacker may write it: `fetch()`
 * would not let Host and Origin be chosen.
 *
 * Run as a program it sends many, from wherever it was started: the requests as
 * JSON in its argument, the answers as JSON on stdout.
 *
 * @module
 */

/** What is sent, and where to. */
export interface RawRequest {
  /** As `127.0.0.1`. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
  /** As `POST`. */
  readonly method: string;
  /** The path and the query. */
  readonly path: string;
  /** All headers but Content-Length and Connection. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body. @default {""} */
  readonly body?: string;
}

/** What came back. */
export interface RawAnswer {
  /** The status; undefined if there was no connection. */
  readonly status?: number;
  /** The headers, by lowercase name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The text after the headers, as it came; why there was no connection. */
  readonly text: string;
}

/** No answer within this time counts as no connection. */
const ANSWER_MS = 5_000;
/** What is read of an answer. */
const LIMIT_BYTES = 65_536;

/** Sends a request on a connection of its own. */
export async function sendRaw(request: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = request;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ANSWER_MS);
  try {
    const connection = await Deno.connect({
      hostname,
      port,
      signal: late.signal,
    });
    const cut = () => connection.close();
    late.signal.addEventListener("abort", cut);
    try {
      await connection.write(encodeRequest(request));
      return parseAnswer(await readAll(connection));
    } finally {
      if (!late.signal.aborted) connection.close();
    }
  } catch (error) {
    return { headers: {}, text: String(error) };
  } finally {
    clearTimeout(timer);
  }
}

function encodeRequest(
  { method, path, headers, body = "" }: RawRequest,
): Uint8Array {
  const encoder = new TextEncoder();
  const lines = Object.entries({
    ...headers,
    "Content-Length": String(encoder.encode(body).length),
    Connection: "close",
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return encoder.encode(
    `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`,
  );
}

async function readAll(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(16_384);
  let text = "";
  while (text.length < LIMIT_BYTES) {
    const count = await connection.read(buffer);
    if (count === null) break;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    if (isWhole(text)) break;
  }
  return text;
}

/** Some servers keep a connection open although they were asked to close it. */
function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1];
  return end >= 0 && length !== undefined &&
    text.length >= end + 4 + Number(length);
}

function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf("\r\n\r\n");
  const [line = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(lines.map((header) => {
    const colon = header.indexOf(":");
    return [
      header.slice(0, colon).toLowerCase(),
      header.slice(colon + 1).trim(),
    ];
  }));
  return {
    status: Number(line.split(" ")[1]),
    headers,
    text: text.slice(end + 4),
  };
}

if (import.meta.main) {
  const requests = JSON.parse(Deno.args[0] ?? "[]") as RawRequest[];
  const answers = await Promise.all(requests.map(sendRaw));
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(answers)));
}
