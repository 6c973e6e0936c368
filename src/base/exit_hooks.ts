/**
 * What must still be done when the program ends at once, after a second Ctrl-C
 * or a bug.
 *
 * @module
 */

const hooks = new Set<() => void>();

/** Registers a synchronous function until it is disposed. */
export function addExitHook(hook: () => void): Disposable {
  hooks.add(hook);
  return { [Symbol.dispose]: () => void hooks.delete(hook) };
}

/** Runs all that is registered, once. The caller exits right after. */
export function runExitHooks(): void {
  for (const hook of hooks) {
    try {
      hook();
    } catch {
      // The next hook must still run.
    }
  }
  hooks.clear();
}
