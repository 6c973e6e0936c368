/**
 * Sends one GET and follows its redirects itself: it checks each one, and sends
 * a password only to the host that the URL names with it.
 *
 * Proxies from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
 * `NO_PROXY`) are honoured by `fetch` itself.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import { abortable, Deadline } from "../../base/abortable.ts";
import { DownloadError, NETWORK_HINT } from "./download_error.ts";

/** How many redirects are followed; more count as a loop. */
export const MAX_REDIRECTS = 5;

/** Options of {@linkcode fetchFollowing}. */
export interface FetchFollowingOptions {
  /** The headers of every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** How long each server may take to answer, in milliseconds. */
  readonly answerMs: number;
  /** Aborts the connection, also while the body is being read. */
  readonly connection: AbortSignal;
  /** Ends the wait for an answer. */
  readonly signal: AbortSignal;
}

/**
 * Returns the first answer that is not a redirect; its body is not read yet.
 *
 * @throws {DownloadError} if none comes in time, or a redirect is refused.
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

/** The hint when the answer seems to come from another program than the server. */
export const PORTAL_HINT =
  "A proxy or a captive portal (the login page of a network) may answer instead of the server: open the URL in a browser on this machine";

/** Returns why a redirect is not followed, or `undefined` if it is. */
export function redirectRefusal(from: URL, to: URL): string | undefined {
  if (to.protocol !== "https:" && to.protocol !== "http:") {
    return `a redirect to ${to.protocol}`;
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    return "a redirect from https to http";
  }
  // A public server must not make this machine send requests to itself.
  if (isOfThisMachine(to.hostname) && !isOfThisMachine(from.hostname)) {
    return `a redirect to ${to.hostname}`;
  }
  return undefined;
}

/** Whether only this machine reaches the host: loopback, and link-local addresses as of a cloud's metadata service. */
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

/** The `Authorization` header for a URL with a user's name; `undefined` without one. */
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
