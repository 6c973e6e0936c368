/**
 * Sends one GET and follows its redirects itself: it checks each one, and sends
 * a password only to the host that the URL names with it.
 *
 * A server may not make this machine ask what the server itself does not reach.
 * So a redirect may not lead from a global address to one of a site, or from
 * there to this machine's own, by whatever name. The addresses that were checked
 * are those that are connected to. Through a proxy of the environment it is the
 * proxy that looks up names and connects.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import { abortable, Deadline } from "../../base/abortable.ts";
import {
  type AddressScope,
  isNarrower,
  scopeOf,
  wider,
} from "./address_scope.ts";
import { DownloadError, NETWORK_HINT } from "./download_error.ts";
import { addressesOf, requestAt } from "./pinned_request.ts";
import { proxyFor } from "./proxy_settings.ts";

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
  let from: AddressScope | undefined;
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
    const { response, scope } = await answer(hop, {
      headers: authorization === undefined
        ? headers
        : { ...headers, authorization },
      connection,
      signal: inTime.signal,
      asked: url,
      from,
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
    from = scope;
  }
  throw refused(url, `more than ${MAX_REDIRECTS} redirects`);
}

function refused(url: URL, reason: string): DownloadError {
  return new DownloadError(url, { reason, hint: PORTAL_HINT });
}

/** The hint when the answer seems to come from another program than the server. */
export const PORTAL_HINT =
  "A proxy or a captive portal (the login page of a network) may answer instead of the server: open the URL in a browser on this machine";

/** The hint when a server leads to where only this machine or its network is. */
const NARROWER_HINT =
  "A captive portal (the login page of a network) may answer instead of the server; a server of your own network must be named in spec.etcd.mirror";

/** Returns why a redirect is not followed, or `undefined` if it is. */
export function redirectRefusal(from: URL, to: URL): string | undefined {
  if (to.protocol !== "https:" && to.protocol !== "http:") {
    return `a redirect to ${to.protocol}`;
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    return "a redirect from https to http";
  }
  // What a name leads to is checked when it is known; it may be a site's.
  return isNarrower(
      scopeByName(to) ?? "global",
      scopeByName(from) ?? "site",
    )
    ? `a redirect to ${to.hostname}`
    : undefined;
}

/** What a URL alone tells; `undefined` of a name that can lead anywhere. */
function scopeByName({ hostname }: URL): AddressScope | undefined {
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  if (ipaddr.isValid(address)) return scopeOf(address);
  return /(^|\.)localhost\.?$/.test(hostname) ? "machine" : undefined;
}

interface AnswerOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly connection: AbortSignal;
  readonly signal: AbortSignal;
  /** The URL that errors name. */
  readonly asked: URL;
  /** Where the server is that redirected to here. */
  readonly from: AddressScope | undefined;
}

interface Answer {
  readonly response: Response;
  /** Where the server is, as far as is known. */
  readonly scope: AddressScope;
}

async function answer(
  hop: URL,
  options: AnswerOptions,
): Promise<Answer> {
  const { headers, connection, signal, asked } = options;
  const bare = new URL(hop);
  bare.username = "";
  bare.password = "";
  const proxy = proxyFor(bare);
  const send = proxy === undefined
    ? askDirectly(bare, options)
    : askProxy(bare, { headers, proxy, signal: connection });
  try {
    return await abortable(send, signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof DownloadError) throw error;
    throw DownloadError.ofFetch(asked, error);
  }
}

/** Connects to the host itself, at the addresses that were looked at. */
async function askDirectly(
  url: URL,
  { headers, connection, asked, from }: AnswerOptions,
): Promise<Answer> {
  const found = await addressesOf(url);
  const addresses = found.filter((address) =>
    from === undefined || !isNarrower(scopeOf(address), from)
  );
  if (addresses.length === 0) {
    throw new DownloadError(asked, {
      reason: `a redirect to ${url.hostname} at ${found.join(", ")}`,
      hint: NARROWER_HINT,
    });
  }
  return {
    response: await requestAt(url, { addresses, headers, signal: connection }),
    // It may have been any of them.
    scope: addresses.map(scopeOf).reduce(wider),
  };
}

/** Has a proxy ask; where the server is, it does not tell. */
async function askProxy(
  url: URL,
  { headers, proxy, signal }: {
    readonly headers: Readonly<Record<string, string>>;
    readonly proxy: string;
    readonly signal: AbortSignal;
  },
): Promise<Answer> {
  // Named here, so that `fetch` cannot decide otherwise than this program did.
  // Closing the client lets the connection be, from which the body is read.
  using client = Deno.createHttpClient({ proxy: { url: proxy } });
  const response = await fetch(url, {
    client,
    headers,
    redirect: "manual",
    signal,
  });
  return { response, scope: "global" };
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
