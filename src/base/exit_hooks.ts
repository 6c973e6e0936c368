/**
 * What must still happen when there is no time for an orderly end: a second
 * Ctrl-C, or a bug.
 *
 * @module
 */

const hooks = new Set<() => void>();

/** Registers a synchronous last act until it is disposed. */
export function addExitHook(act: () => void): Disposable {
  hooks.add(act);
  return { [Symbol.dispose]: () => void hooks.delete(act) };
}

/** Does all that is registered, once. The caller exits right after. */
export function runExitHooks(): void {
  for (const act of hooks) {
    try {
      act();
    } catch {
      // The next one matters no less.
    }
  }
  hooks.clear();
}
