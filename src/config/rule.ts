/**
 * What a rule for one value is, and how it says what it found.
 *
 * @module
 */

/** The value that a text stands for, or what was found instead, as `"a", which …`. */
export type Checked<T> =
  | { readonly value: T }
  | { readonly found: string };

/** What one field may hold. */
export interface Rule<T> {
  /** How the value is written: as a string, or as plain decimal digits. */
  readonly type: "string" | "integer";
  /** Ends the sentence "found …, wanted …". */
  readonly wanted: string;
  /** Turns the text of a scalar into the value. */
  readonly check: (text: string) => Checked<T>;
}

/** Returns `text` in quotes, on one line, shortened to what a message can bear. */
export function quote(text: string): string {
  const characters = [...text.slice(0, 200)];
  return JSON.stringify(
    characters.length > 80 || text.length > 200
      ? characters.slice(0, 80).join("") + "…"
      : text,
  );
}
