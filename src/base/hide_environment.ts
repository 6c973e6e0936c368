/**
 * Hides the environment from packages that look into it: stray variables decide
 * nothing there, and asking for one that may not be read is no error.
 *
 * @module
 */

import process from "node:process";

/** Shows packages that load from now on an empty environment. */
export function hideEnvironment(): void {
  Object.defineProperty(process, "env", { value: {}, configurable: true });
}
