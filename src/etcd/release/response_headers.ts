/**
 * The headers of a server's answer that a download uses. A header that is not
 * in the standard's format counts as absent.
 *
 * @module
 */

/**
 * The tag of exactly these bytes, to continue a download with. A weak tag does
 * not name bytes, and two parts with the same one may not fit together.
 */
export function strongEtag(response: Response): string | undefined {
  const etag = response.headers.get("etag");
  return etag === null || etag.startsWith("W/") ? undefined : etag;
}

/** The number in a header such as `Content-Length`. */
export function lengthOf(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Which bytes of the whole an answer with status 206 begins with, and how long the whole is. */
export function contentRange(
  response: Response,
): { readonly first: number; readonly totalBytes: number } | undefined {
  const text = response.headers.get("content-range") ?? "";
  const [, first, total] = /^bytes (\d{1,15})-\d+\/(\d{1,15})$/.exec(text) ??
    [];
  return first === undefined || total === undefined
    ? undefined
    : { first: Number(first), totalBytes: Number(total) };
}

/** How long the server asks to wait, in milliseconds: `Retry-After` holds seconds or a date. */
export function retryAfterMs(response: Response): number | undefined {
  const text = response.headers.get("retry-after");
  if (text === null) return undefined;
  const seconds = lengthOf(text);
  if (seconds !== undefined) return seconds * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
