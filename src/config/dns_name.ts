/**
 * What a host name is.
 *
 * @module
 */

/** Returns whether `text` can stand between two dots of a host name; lower case only. */
export function isDnsLabel(text: string): boolean {
  return /^[a-z\d]([-a-z\d]{0,61}[a-z\d])?$/.test(text);
}

/** Returns whether `text` is labels with dots between, at most 253 characters in all. */
export function isDnsName(text: string): boolean {
  return text.length <= 253 && text.split(".").every(isDnsLabel);
}
