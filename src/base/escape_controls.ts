/**
 * Makes text from outside safe to print on a terminal and to keep in a log.
 *
 * @module
 */

const CONTROL_REGEXP = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/**
 * Replaces control and format characters by `\uXXXX`, so that quoted text cannot
 * move the cursor, colour the terminal, hide text or begin a line.
 */
export function escapeControls(text: string): string {
  return text.replace(CONTROL_REGEXP, escaped);
}

/** Does the same to a text of several lines: ends of lines and tabs between columns stay. */
export function escapeLines(text: string): string {
  return text.replace(
    CONTROL_REGEXP,
    (control) =>
      control === "\n" || control === "\t" ? control : escaped(control),
  );
}

/**
 * Returns JSON that is safe to print and means the same: inside its strings,
 * control and format characters are escaped as JSON escapes them.
 */
export function toJson(value: unknown, indent?: number): string {
  // Outside of strings JSON has no such character but the line ends of `indent`.
  return escapeLines(JSON.stringify(
    value,
    (_, inner) => typeof inner === "bigint" ? inner.toString() : inner,
    indent,
  ));
}

function escaped(control: string): string {
  return control.split("").map((unit) =>
    `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
  ).join("");
}
