/**
 * The requests that bring one file, one after the other until it is whole.
 *
 * Nothing here trusts the other side: time, size and redirects have bounds,
 * and an interrupted transfer goes on where it stopped only if the server
 * proves that it still has the same file.
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
  /** Where the bytes go. */
  readonly file: PartialFile;
  /** What the file's SHA-256 must be in the end, in lowercase hex. */
  readonly sha256: string;
  /** Bounds of size and time. */
  readonly limits: DownloadLimits;
  /** Told after every piece. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** What attempts at the same file know of each other. */
export class Transfer {
  readonly #url: URL;
  readonly #options: TransferOptions;
  /** Names the very bytes that the file holds so far. */
  #etag: string | undefined;
  /** Whether the file is made of the bodies of several answers. */
  #pieced = false;

  /** A transfer of `url` that has not begun. */
  constructor(url: URL, options: TransferOptions) {
    this.#url = url;
    this.#options = options;
  }

  /**
   * One request to the end of its body; the file then has the right SHA-256.
   *
   * @throws {DownloadError} if not; a transient one leaves in the file what a
   * further attempt can go on from.
   */
  async attempt(signal: AbortSignal): Promise<void> {
    const { file, limits } = this.#options;
    // Compressed on the way, a body has neither its length nor its hash.
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

  /** Decides from status and headers where the body belongs; returns how long the file will be. */
  async #begin(response: Response): Promise<number | undefined> {
    const { file, limits } = this.#options;
    const etag = strongEtag(response);
    let totalBytes = lengthOf(response.headers.get("content-length"));
    if (response.status === 206) {
      const range = contentRange(response);
      if (range?.first !== file.size) {
        this.#etag = undefined;
        throw this.#error("the server sends another part than asked for", {
          transient: true,
        });
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
        throw this.#error("a web page came instead of the archive", {
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
        this.#error(`nothing came for ${stallMs / 1000} s`, {
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
    // Pieces that do not fit together are no proof that the whole is wrong.
    this.#etag = undefined;
    throw this.#error(
      `the ${file.size} bytes that came have SHA-256 ${found}, not ${sha256}`,
      {
        transient: this.#pieced,
        hint:
          "The download was cut short or changed on the way, or spec.etcd.sha256 is not for this version and machine",
      },
    );
  }

  #tooLong(): DownloadError {
    return this.#error(
      `more than the ${this.#options.limits.maxBytes} bytes that a release may have`,
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
        (transient ? "Try again later, or name a mirror" : undefined),
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
  401: "Put user and password into spec.etcd.mirror",
  403: "Ask whoever runs the server or the proxy to allow it",
  404: "Check spec.etcd.version and spec.etcd.mirror",
  407: "Put user and password into HTTPS_PROXY",
};
