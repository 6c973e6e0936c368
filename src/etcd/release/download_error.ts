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
    const reason = withoutUrls(messageOf(deepest));
    const certificate = certificateHint(reason);
    return new DownloadError(url, {
      reason,
      // Neither a certificate nor a clock changes within a second.
      transient: certificate === undefined,
      hint: certificate ?? NETWORK_HINT,
      cause: error,
    });
  }
}

/** What the TLS library says of a certificate, and what can be done; the first match counts. */
const CERTIFICATE_HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /not valid yet|NotValidYet/i,
    "Set this machine's clock, if it is behind: its time is before the certificate's first day",
  ],
  [
    /expired/i,
    "Compare this machine's clock with the true time; if it is right, the server needs a new certificate",
  ],
  [
    /UnknownIssuer|unknown issuer|CaUsedAsEndEntity|self.signed|UnknownCA/i,
    "Add the CA that signed the server's certificate to the system's store (on Debian: /usr/local/share/ca-certificates/NAME.crt and update-ca-certificates), or name its PEM file in DENO_CERT; a proxy that looks into TLS has a CA of its own",
  ],
  [
    /NotValidForName|not valid for name/i,
    "Use a name that the certificate is made for; if it is right, a proxy or a login page may have answered in the server's place",
  ],
  [
    /invalid peer certificate|certificate/i,
    "Correct the server's certificate, or set spec.etcd.mirror to another server",
  ],
];

function certificateHint(reason: string): string | undefined {
  return CERTIFICATE_HINTS.find(([pattern]) => pattern.test(reason))?.[1];
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
