/**
 * Gives back what starting has used: V8 collects when a thread allocates, and
 * a thread that mostly waits keeps the garbage of its start for hours.
 *
 * @module
 */

/** When a thread has started, for good measure, in milliseconds. */
const STARTED_MS = 3_000;
/** How often to look again, in milliseconds: at 10 ms each, nothing. */
const AGAIN_MS = 600_000;

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
  const later = setInterval(collect, AGAIN_MS);
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
