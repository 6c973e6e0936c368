/**
 * The error of a download from one URL. It tells whether the same request may
 * succeed a moment later.
 *
 * @module
 */

import { KatError, messageOf } from "../../base/errors.ts";

/** The hint when the server was not reached, or the connection broke. */
export const NETWORK_HINT =
  "Check the network, name resolution, and HTTPS_PROXY and NO_PROXY";

/** Options of {@linkcode DownloadError}. */
export interface DownloadErrorOptions {
  /** The reason, as a clause: "the server answers 404 Not Found". */
  readonly reason: string;
  /** Whether the same request may succeed a moment later. @default {false} */
  readonly transient?: boolean;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** What the user can do next. */
  readonly hint?: string | undefined;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** A URL did not give the archive; the next attempt or the next URL may. */
export class DownloadError extends KatError {
  /** The URL, without a user, a password or a query. */
  readonly url: string;
  /** The reason, as a clause. */
  readonly reason: string;
  /** Whether the same request may succeed a moment later. */
  readonly transient: boolean;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  /** The error that `url` did not give the archive. */
  constructor(url: URL, options: DownloadErrorOptions) {
    super(`Cannot download "${shownUrl(url)}": ${options.reason}`, {
      hint: options.hint,
      cause: options.cause,
    });
    this.url = shownUrl(url);
    this.reason = options.reason;
    this.transient = options.transient ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The error for what `fetch` threw: a network failure, so transient. */
  static ofFetch(url: URL, error: unknown): DownloadError {
    const deepest = error instanceof Error && error.cause instanceof Error
      ? error.cause
      : error;
    return new DownloadError(url, {
      reason: withoutUrls(messageOf(deepest)),
      transient: true,
      hint: NETWORK_HINT,
      cause: error,
    });
  }
}

/** Returns a URL as logs and messages may show it: without user, password and query. */
export function shownUrl(url: URL): string {
  return url.origin + url.pathname;
}

/** The network library's message contains whole URLs, also signatures in their queries. */
function withoutUrls(message: string): string {
  return message
    .replace(/^error sending request[^:]*\([a-z]+:\/\/[^)]*\): /, "")
    .replaceAll(/[a-z]+:\/\/[^\s)]+/g, (text) => {
      const url = URL.parse(text);
      return url === null ? "(URL)" : shownUrl(url);
    });
}
