/**
 * The rule for paths. It stands apart from the other rules because every command
 * needs it, and not the packages that those load.
 *
 * @module
 */

import { posix } from "node:path";
import { quote, type Rule } from "./rule.ts";

/** Longer paths are refused; some systems' limit (macOS) is the same. */
const MAX_PATH_BYTES = 1024;

/** A path from the root, normalised; the root itself is none. */
export const absolutePath: Rule<string> = {
  type: "string",
  wanted: "an absolute path",
  check: (text) => {
    const wrong = wrongInPath(text);
    return wrong === undefined
      ? { value: posix.normalize(text).replace(/\/$/, "") }
      : { found: `${quote(text)}, ${wrong}` };
  },
};

function wrongInPath(text: string): string | undefined {
  const segments = text.split("/");
  // Invisible characters and strange spaces: what is shown would not be what is meant.
  if (/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(text)) {
    return "which has a control or invisible character";
  }
  if (segments.some((segment) => segment.startsWith("~"))) {
    return 'whose "~" is not expanded';
  }
  if (!text.startsWith("/")) return "which is not absolute";
  if (segments.includes("..")) return 'which has ".." in it';
  if (posix.normalize(text) === "/") return "which is the root";
  return new TextEncoder().encode(text).length > MAX_PATH_BYTES
    ? `which has more than ${MAX_PATH_BYTES} bytes`
    : undefined;
}
