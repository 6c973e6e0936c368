/**
 * Whether the operations on one register can be put in an order that agrees
 * with time and with every answer.
 *
 * The search is Wing and Gong's ("Testing and Verifying Concurrent Objects",
 * 1993) with Lowe's memory of what was tried ("Testing for linearizability",
 * 2017): a list of calls and returns by time, from which one operation after
 * the other is taken out; the set of those taken and the state they leave are
 * never looked at twice.
 *
 * @module
 */

/** An operation on a register whose values are numbers. */
export interface RegisterOperation {
  /** When it was called. */
  readonly callNs: number;
  /** When it had returned; Infinity if it may take effect at any time after, or never. */
  readonly returnNs: number;
  /** The value that must be there before. */
  readonly needs?: number | undefined;
  /** A value that must not be there before. */
  readonly forbids?: number | undefined;
  /** The value it leaves; undefined leaves it as it is. */
  readonly writes?: number | undefined;
}

/** What the search found. */
export type Linearizability = "ok" | "illegal" | "undecided";

/** Options of {@linkcode linearizability}. */
export interface LinearizabilityOptions {
  /** The value at the beginning. */
  readonly initial: number;
  /** After how many steps the search gives up. @default {2_000_000} */
  readonly maxSteps?: number;
}

/** A call or a return in the list; `null` as a call's partner: it never returns. */
interface Entry {
  readonly index: number;
  readonly atNs: number;
  readonly isCall: boolean;
  partner: Entry | null;
  before: Entry | null;
  after: Entry | null;
}

/** Looks for an order. */
export function linearizability(
  operations: readonly RegisterOperation[],
  { initial, maxSteps = 2_000_000 }: LinearizabilityOptions,
): Linearizability {
  const head = timeline(operations);
  const seen = new Memory(operations.length);
  const taken: { entry: Entry; state: number }[] = [];
  let open = operations.filter(({ returnNs }) => returnNs !== Infinity).length;
  let state = initial;
  let entry = head.after;
  for (let steps = 0; open > 0; steps++) {
    if (steps > maxSteps) return "undecided";
    if (entry === null || !entry.isCall) {
      // Nothing before this return can be next: what was taken last was wrong.
      const last = taken.pop();
      if (last === undefined) return "illegal";
      state = last.state;
      seen.toggle(last.entry.index);
      if (last.entry.partner) open += 1;
      putBack(last.entry);
      entry = last.entry.after;
      continue;
    }
    const operation = operations[entry.index] as RegisterOperation;
    if (isPossible(operation, state)) {
      const next = operation.writes ?? state;
      seen.toggle(entry.index);
      if (seen.isNew(next)) {
        taken.push({ entry, state });
        state = next;
        if (entry.partner) open -= 1;
        takeOut(entry);
        entry = head.after;
        continue;
      }
      seen.toggle(entry.index);
    }
    entry = entry.after;
  }
  return "ok";
}

function isPossible(
  { needs, forbids }: RegisterOperation,
  state: number,
): boolean {
  return (needs === undefined || needs === state) &&
    (forbids === undefined || forbids !== state);
}

/** Calls and returns by time; at the same moment calls come first, for they may overlap. */
function timeline(operations: readonly RegisterOperation[]): Entry {
  const entries: Entry[] = [];
  operations.forEach(({ callNs, returnNs }, index) => {
    const links = { partner: null, before: null, after: null };
    const call: Entry = { index, atNs: callNs, isCall: true, ...links };
    entries.push(call);
    if (returnNs === Infinity) return;
    const back: Entry = { index, atNs: returnNs, isCall: false, ...links };
    call.partner = back;
    entries.push(back);
  });
  entries.sort((a, b) =>
    a.atNs - b.atNs || Number(b.isCall) - Number(a.isCall)
  );
  const head: Entry = {
    index: -1,
    atNs: -Infinity,
    isCall: false,
    partner: null,
    before: null,
    after: null,
  };
  let last = head;
  for (const entry of entries) {
    last.after = entry;
    entry.before = last;
    last = entry;
  }
  return head;
}

function takeOut(call: Entry): void {
  unlink(call);
  if (call.partner) unlink(call.partner);
}

/** The reverse of {@linkcode takeOut}, in reverse: each still knows its neighbours. */
function putBack(call: Entry): void {
  if (call.partner) link(call.partner);
  link(call);
}

function unlink(entry: Entry): void {
  if (entry.before) entry.before.after = entry.after;
  if (entry.after) entry.after.before = entry.before;
}

function link(entry: Entry): void {
  if (entry.before) entry.before.after = entry;
  if (entry.after) entry.after.before = entry;
}

/** Sets of operations with a state, found by a sum that each operation changes by its own number. */
class Memory {
  readonly #bits: Uint32Array;
  readonly #numbers: Float64Array;
  readonly #known = new Map<number, { bits: Uint32Array; state: number }[]>();
  #sum = 0;

  constructor(size: number) {
    this.#bits = new Uint32Array(Math.ceil(size / 32));
    // Any spread will do, for what has the same sum is compared bit by bit.
    let seed = 0x9e3779b9;
    this.#numbers = Float64Array.from({ length: size }, () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed;
    });
  }

  /** Puts an operation into the set, or takes it out. */
  toggle(index: number): void {
    const word = index >> 5;
    const bit = 1 << (index & 31);
    const bits = (this.#bits[word] ?? 0) ^ bit;
    this.#bits[word] = bits;
    const number = this.#numbers[index] ?? 0;
    this.#sum += bits & bit ? number : -number;
  }

  /** Whether the set was never seen with this state; remembers it. */
  isNew(state: number): boolean {
    const sum = this.#sum + state;
    const same = this.#known.get(sum);
    const entry = { bits: this.#bits.slice(), state };
    if (same === undefined) {
      this.#known.set(sum, [entry]);
      return true;
    }
    const isKnown = same.some((one) =>
      one.state === state &&
      one.bits.every((word, index) => word === entry.bits[index])
    );
    if (!isKnown) same.push(entry);
    return !isKnown;
  }
}
