/**
 * Keeps text of others from steering the terminal it is printed on.
 *
 * @module
 */

/**
 * Writes control and format characters as `\uXXXX`: nothing that a message
 * quotes may move the cursor, colour the terminal or hide text.
 */
export function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (control) =>
      `\\u${(control.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}
