/**
 * Gives back what starting has used: V8 collects when a thread allocates, and
 * a thread that mostly waits keeps the garbage of its start for hours.
 *
 * @module
 */

/** By when a thread has certainly started, in milliseconds. */
const STARTED_MS = 3_000;
/** How often to collect again, in milliseconds; a collection takes 10 ms. */
const INTERVAL_MS = 600_000;

/** What `--expose-gc` adds; absent where the agent runs without that flag. */
type Collect = (options: {
  readonly type: "major";
  readonly execution: "sync";
  readonly flavor: "last-resort";
}) => void;

/**
 * Collects the garbage of this thread soon, and every few minutes, until it is
 * disposed. Does nothing where V8 was not told to let it.
 */
export function settleMemory(): Disposable {
  const { gc } = globalThis as { readonly gc?: Collect };
  if (gc === undefined) return { [Symbol.dispose]() {} };
  const collect = () =>
    gc({ type: "major", execution: "sync", flavor: "last-resort" });
  const soon = setTimeout(collect, STARTED_MS);
  const later = setInterval(collect, INTERVAL_MS);
  // A thread that has nothing else to do may end.
  Deno.unrefTimer(soon);
  Deno.unrefTimer(later);
  return {
    [Symbol.dispose]() {
      clearTimeout(soon);
      clearInterval(later);
    },
  };
}
