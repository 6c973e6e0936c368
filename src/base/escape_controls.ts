/**
 * Makes text from outside safe to print on a terminal.
 *
 * @module
 */

/**
 * Replaces control and format characters by `\uXXXX`, so that quoted text cannot
 * move the cursor, colour the terminal or hide text.
 */
export function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (control) => control.split("").map(toEscape).join(""),
  );
}

function toEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
