/**
 * What must still happen when there is no time for an orderly end: a second
 * Ctrl-C, or a bug.
 *
 * @module
 */

const lastActs = new Set<() => void>();

/** Registers a synchronous last act until it is disposed. */
export function atHardExit(act: () => void): Disposable {
  lastActs.add(act);
  return { [Symbol.dispose]: () => void lastActs.delete(act) };
}

/** Does all that is registered, once. The caller exits right after. */
export function actBeforeHardExit(): void {
  for (const act of lastActs) {
    try {
      act();
    } catch {
      // The next one matters no less.
    }
  }
  lastActs.clear();
}
