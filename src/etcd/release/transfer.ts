/**
 * The requests that fetch one file, one after the other. When to try again is
 * left to `download`.
 *
 * The server is not trusted: time, size and redirects have bounds, and an
 * interrupted transfer continues where it stopped only if the server's tag
 * shows that it still has the same file.
 *
 * @module
 */

import { abortable, Deadline } from "../../base/abortable.ts";
import {
  DownloadError,
  type DownloadErrorOptions,
  NETWORK_HINT,
} from "./download_error.ts";
import type { DownloadLimits, DownloadProgress } from "./download_limits.ts";
import { fetchFollowing, PORTAL_HINT } from "./follow_redirects.ts";
import type { PartialFile } from "./partial_file.ts";
import {
  contentRange,
  lengthOf,
  retryAfterMs,
  strongEtag,
} from "./response_headers.ts";

/** Options of {@linkcode Transfer}. */
export interface TransferOptions {
  /** The file that the bytes are written to. */
  readonly file: PartialFile;
  /** The SHA-256 that the whole file must have, in lowercase hex. */
  readonly sha256: string;
  /** Bounds of size and time. */
  readonly limits: DownloadLimits;
  /** Called after every piece. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** The transfer of one file, over all its attempts. */
export class Transfer {
  readonly #url: URL;
  readonly #options: TransferOptions;
  /** The server's tag for the bytes that the file holds so far. */
  #etag: string | undefined;
  /** Whether the file holds the bodies of several answers. */
  #pieced = false;

  /** The transfer of `url`; nothing is sent yet. */
  constructor(url: URL, options: TransferOptions) {
    this.#url = url;
    this.#options = options;
  }

  /**
   * Sends one request and reads its body to the end; the file then has the
   * right SHA-256.
   *
   * @throws {DownloadError} if it has not; after a transient one the next attempt
   * can continue with what the file holds.
   */
  async attempt(signal: AbortSignal): Promise<void> {
    const { file, limits } = this.#options;
    // A compressed body would have another length and another hash.
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (file.size > 0 && this.#etag !== undefined) {
      headers["range"] = `bytes=${file.size}-`;
      headers["if-range"] = this.#etag;
    }
    const connection = new AbortController();
    try {
      const response = await fetchFollowing(this.#url, {
        headers,
        answerMs: limits.answerMs,
        connection: connection.signal,
        signal,
      });
      const totalBytes = await this.#begin(response);
      await this.#receive(response, { totalBytes, signal });
      this.#check(totalBytes);
    } finally {
      connection.abort();
    }
  }

  /** Decides from status and headers whether the body begins or continues the file; returns the length of the whole. */
  async #begin(response: Response): Promise<number | undefined> {
    const { file, limits } = this.#options;
    const etag = strongEtag(response);
    let totalBytes = lengthOf(response.headers.get("content-length"));
    if (response.status === 206) {
      const range = contentRange(response);
      if (range?.first !== file.size) {
        this.#etag = undefined;
        throw this.#error(
          "the server sent another part than the one asked for",
          {
            transient: true,
          },
        );
      }
      totalBytes = range.totalBytes;
      this.#pieced = true;
    } else if (response.status === 416) {
      this.#etag = undefined;
      throw this.#error("the server no longer has the part asked for", {
        transient: true,
      });
    } else if (response.status !== 200) {
      throw this.#statusError(response);
    } else {
      if (/^text\/html\b/i.test(response.headers.get("content-type") ?? "")) {
        throw this.#error("the server sent a web page instead of the archive", {
          hint: PORTAL_HINT,
        });
      }
      await file.restart();
      this.#etag = etag;
      this.#pieced = false;
    }
    if (totalBytes !== undefined && totalBytes > limits.maxBytes) {
      throw this.#tooLong();
    }
    return totalBytes;
  }

  async #receive(
    response: Response,
    { totalBytes, signal }: {
      readonly totalBytes: number | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { file, limits, onProgress } = this.#options;
    const reader = response.body?.getReader();
    while (reader !== undefined) {
      const piece = await this.#read(reader, signal);
      if (piece === undefined) return;
      if (file.size + piece.length > limits.maxBytes) throw this.#tooLong();
      await file.append(piece);
      onProgress?.({ receivedBytes: file.size, totalBytes });
    }
  }

  async #read(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const { stallMs } = this.#options.limits;
    using inTime = new Deadline(
      stallMs,
      () =>
        this.#error(`no data came for ${stallMs / 1000} s`, {
          transient: true,
          hint: NETWORK_HINT,
        }),
      [signal],
    );
    try {
      return (await abortable(reader.read(), inTime.signal)).value;
    } catch (error) {
      inTime.signal.throwIfAborted();
      const { size } = this.#options.file;
      throw this.#error(`the connection broke after ${size} bytes`, {
        transient: true,
        hint: NETWORK_HINT,
        cause: error,
      });
    }
  }

  #check(totalBytes: number | undefined): void {
    const { file, sha256 } = this.#options;
    if (totalBytes !== undefined && file.size < totalBytes) {
      throw this.#error(
        `only ${file.size} of ${totalBytes} bytes came`,
        { transient: true, hint: NETWORK_HINT },
      );
    }
    const found = file.sha256();
    if (found === sha256) return;
    // If the parts came in several answers, they may not fit together: another
    // attempt fetches the whole file.
    this.#etag = undefined;
    throw this.#error(
      `the ${file.size} bytes that came have SHA-256 ${found}, not ${sha256}`,
      {
        transient: this.#pieced,
        hint:
          "Either the file was changed on its way here, or spec.etcd.sha256 belongs to another version or machine",
      },
    );
  }

  #tooLong(): DownloadError {
    return this.#error(
      `the file is larger than ${this.#options.limits.maxBytes} bytes, and no release is`,
    );
  }

  #statusError(response: Response): DownloadError {
    const { status, statusText } = response;
    const transient = [408, 425, 429].includes(status) || status >= 500;
    const waitMs = retryAfterMs(response);
    const answer = `the server answers ${status} ${statusText}`.trim();
    const wait = waitMs === undefined
      ? ""
      : ` and asks to wait ${Math.ceil(waitMs / 1000)} s`;
    return this.#error(answer + wait, {
      transient,
      retryAfterMs: waitMs,
      hint: STATUS_HINTS[status] ??
        (transient
          ? "Try again later, or set spec.etcd.mirror to another server"
          : undefined),
    });
  }

  #error(
    reason: string,
    options: Omit<DownloadErrorOptions, "reason"> = {},
  ): DownloadError {
    return new DownloadError(this.#url, { ...options, reason });
  }
}

const STATUS_HINTS: Readonly<Record<number, string>> = {
  401: "Put the user and the password into spec.etcd.mirror",
  403: "Ask the administrator of the server or of the proxy to allow it",
  404: "Check spec.etcd.version and spec.etcd.mirror",
  407: "Put the user and the password into HTTPS_PROXY",
};
