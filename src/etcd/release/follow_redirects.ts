/**
 * One GET, with its redirects followed by hand: each hop is checked, and
 * passwords stay with the host they are for.
 *
 * Proxies from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
 * `NO_PROXY`) are honoured by `fetch` itself.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import { abortable, Deadline } from "../../base/abortable.ts";
import { DownloadError, NETWORK_HINT } from "./download_error.ts";

/** Redirects that are followed before it counts as a loop. */
export const MAX_REDIRECTS = 5;

/** Options of {@linkcode fetchFollowing}. */
export interface FetchFollowingOptions {
  /** Sent with every hop. */
  readonly headers: Readonly<Record<string, string>>;
  /** How long each hop may take to answer, in milliseconds. */
  readonly answerMs: number;
  /** Cuts the connection, also while the body is being read. */
  readonly connection: AbortSignal;
  /** Ends the waiting for an answer. */
  readonly signal: AbortSignal;
}

/**
 * Returns the first answer that is no redirect; its body is not yet read.
 *
 * @throws {DownloadError} if there is none in time, or a hop is refused.
 */
export async function fetchFollowing(
  url: URL,
  { headers, answerMs, connection, signal }: FetchFollowingOptions,
): Promise<Response> {
  let hop = url;
  let authorization: string | undefined;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    authorization = basicAuthorization(hop) ?? authorization;
    using inTime = new Deadline(
      answerMs,
      () =>
        new DownloadError(url, {
          reason: `no answer within ${answerMs / 1000} s`,
          transient: true,
          hint: NETWORK_HINT,
        }),
      [signal],
    );
    const response = await answer(hop, {
      headers: authorization === undefined
        ? headers
        : { ...headers, authorization },
      connection,
      signal: inTime.signal,
      asked: url,
    });
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    await response.body?.cancel();
    const location = response.headers.get("location");
    const next = location === null ? null : URL.parse(location, hop);
    if (next === null) throw refused(url, "a redirect without a target");
    const refusal = redirectRefusal(hop, next);
    if (refusal !== undefined) throw refused(url, refusal);
    if (next.origin !== hop.origin) authorization = undefined;
    hop = next;
  }
  throw refused(url, `more than ${MAX_REDIRECTS} redirects`);
}

function refused(url: URL, reason: string): DownloadError {
  return new DownloadError(url, { reason, hint: PORTAL_HINT });
}

/** What to do when something else than the server seems to answer. */
export const PORTAL_HINT =
  "A captive portal or a proxy may answer instead of the server: open the URL in a browser on this machine";

/** Returns why a redirect is not followed, or `undefined` if it is. */
export function redirectRefusal(from: URL, to: URL): string | undefined {
  if (to.protocol !== "https:" && to.protocol !== "http:") {
    return `a redirect to ${to.protocol}`;
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    return "a redirect from https to http";
  }
  // A public server has no business with what only this machine can reach.
  if (isOfThisMachine(to.hostname) && !isOfThisMachine(from.hostname)) {
    return `a redirect to ${to.hostname}`;
  }
  return undefined;
}

/** Loopback and link-local addresses, the latter also those of a cloud's metadata service. */
function isOfThisMachine(hostname: string): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  if (!ipaddr.isValid(address)) return /(^|\.)localhost\.?$/.test(hostname);
  return ["loopback", "linkLocal", "unspecified"].includes(
    ipaddr.process(address).range(),
  );
}

interface AnswerOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly connection: AbortSignal;
  readonly signal: AbortSignal;
  /** The URL that errors name. */
  readonly asked: URL;
}

async function answer(
  hop: URL,
  { headers, connection, signal, asked }: AnswerOptions,
): Promise<Response> {
  const bare = new URL(hop);
  bare.username = "";
  bare.password = "";
  try {
    return await abortable(
      fetch(bare, { headers, redirect: "manual", signal: connection }),
      signal,
    );
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw DownloadError.ofFetch(asked, error);
  }
}

/** The `Authorization` header for a URL that holds a user's name, else nothing. */
function basicAuthorization(url: URL): string | undefined {
  if (url.username === "") return undefined;
  const pair = [url.username, url.password].map(decoded).join(":");
  const bytes = new TextEncoder().encode(pair);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
