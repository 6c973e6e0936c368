/**
 * "Did you mean": the known name nearest to an unknown one.
 *
 * @module
 */

/** From this length on the start of a name says which one is meant. */
const MIN_START = 3;
/** A longer word is near no known name; this bounds the work. */
const MAX_LENGTH = 64;

/** Returns the name that `wrong` was probably meant to be: the only one that it starts, or the nearest, if one is near enough. */
export function closestName(
  wrong: string,
  names: readonly string[],
): string | undefined {
  if (wrong.length > MAX_LENGTH) return undefined;
  const started = names.filter((name) => name.startsWith(wrong));
  if (wrong.length >= MIN_START && started.length === 1) return started[0];
  // A third of the letters may differ: one in "kind", three in "apiVersion".
  const allowed = Math.max(1, Math.floor(wrong.length / 3));
  return names
    .map((name) => ({ name, edits: countEdits(wrong, name) }))
    .filter(({ edits }) => edits <= allowed)
    .sort((a, b) => a.edits - b.edits)[0]?.name;
}

/** Levenshtein distance; case counts for nothing. */
function countEdits(left: string, right: string): number {
  const a = left.toLowerCase();
  const b = right.toLowerCase();
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      ));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
