/**
 * Reads the JSON of the agent's own files, and says how one is damaged.
 *
 * @module
 */

/** A file holds no JSON. */
export class JsonDamage extends Error {
  /** The error for what `text` is instead. */
  constructor(text: string, cause: unknown) {
    super(`it is no JSON, ${whatItIs(text)}`, { cause });
    this.name = new.target.name;
  }
}

/**
 * Parses `text`.
 *
 * @throws {JsonDamage} whose message is a clause that begins with `it`.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new JsonDamage(text, error);
  }
}

function whatItIs(text: string): string {
  if (text === "") return "but empty, as after a power cut";
  if (/^\0+$/.test(text)) return "but holds only zeros, as after a power cut";
  if (text.includes("\0")) return "and holds zeros, as after a power cut";
  return text.trimEnd().endsWith("}")
    ? "and was changed from outside"
    : `and its end is missing (it has ${text.length} characters)`;
}
