/**
 * Bounds for data that is only shown: long texts are shortened, and what is
 * nested deeply or is no plain data is replaced, so that a line of the log costs
 * no more than a line.
 *
 * @module
 */

/** Longer than any text that the agent's own parts write. */
const MAX_TEXT = 8_192;
/** What all texts in one value may have together. */
const MAX_ALL = 65_536;
const MAX_DEPTH = 6;
const MAX_ENTRIES = 1_000;
const CUT = "…";

/** Returns a text, shortened if it is long. */
export function boundText(text: string): string {
  return text.length <= MAX_TEXT ? text : text.slice(0, MAX_TEXT) + CUT;
}

/** Returns plain data of bounded size, depth and number; cycles end by the depth. */
export function boundData(value: unknown): unknown {
  return bound(value, { depth: MAX_DEPTH, budget: { left: MAX_ALL } });
}

interface Bounds {
  readonly depth: number;
  readonly budget: { left: number };
}

function bound(value: unknown, { depth, budget }: Bounds): unknown {
  if (budget.left <= 0) return CUT;
  budget.left--;
  if (typeof value === "string") {
    const text = boundText(value);
    budget.left -= text.length;
    return text;
  }
  if (typeof value === "bigint") return isShort(value) ? value : CUT;
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) return CUT;
  const inner = { depth: depth - 1, budget };
  if (Array.isArray(value)) {
    return value.slice(0, MAX_ENTRIES).map((one) => bound(one, inner));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    return Object.prototype.toString.call(value);
  }
  return Object.fromEntries(
    Object.entries(value).slice(0, MAX_ENTRIES)
      .map(([name, one]) => [bound(name, inner), bound(one, inner)]),
  );
}

/** As text, a number of millions of digits takes minutes. */
function isShort(value: bigint): boolean {
  return BigInt.asIntN(128, value) === value;
}
