/**
 * The bytes of a configuration file to text that shows what it means.
 *
 * @module
 */

import { ConfigError, WHOLE_FILE } from "./config_error.ts";

/** What a `cluster.kat` may weigh; a real one has about 1 KiB. */
export const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Returns the text of a file, without a byte order mark at its start.
 *
 * @throws {ConfigError} for what is too large or not UTF-8.
 */
export function decodeText(source: Uint8Array | string, file: string): string {
  const bytes = typeof source === "string"
    ? new TextEncoder().encode(source)
    : source;
  if (bytes.length > MAX_FILE_BYTES) {
    throw new ConfigError([{
      file,
      line: 0,
      column: 0,
      path: WHOLE_FILE,
      message: `found more than ${MAX_FILE_BYTES} bytes, wanted a cluster.kat`,
    }]);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError([{
      file,
      ...locateBadByte(bytes),
      path: WHOLE_FILE,
      message: (bytes[0] === 0xff && bytes[1] === 0xfe) ||
          (bytes[0] === 0xfe && bytes[1] === 0xff)
        ? "found UTF-16, wanted UTF-8"
        : "found bytes that are not UTF-8, wanted a text file in UTF-8",
    }]);
  }
}

/** The place of the first byte that is not UTF-8; there is one. */
function locateBadByte(bytes: Uint8Array): { line: number; column: number } {
  const lenient = new TextDecoder();
  const strict = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    // No byte of a longer character is 0x0a, so lines can be looked at one by one.
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    const part = bytes.subarray(start, end);
    try {
      strict.decode(part);
    } catch {
      const before = lenient.decode(part).split("\uFFFD", 1)[0] ?? "";
      return { line, column: [...before].length + 1 };
    }
    start = end + 1;
  }
  return { line: 1, column: 1 };
}
