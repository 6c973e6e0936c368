/**
 * Connects promises and deadlines with AbortSignals, and leaves no timer and no
 * listener behind.
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";

/**
 * Settles as `promise` does, or rejects with the signal's reason if it aborts
 * first. That ends the wait, not the work.
 */
export function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() =>
      signal.removeEventListener("abort", onAbort)
    );
  });
}

/** Resolves once `signal` is aborted; never rejects. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Resolves once `promise` has settled, but after `ms` milliseconds at the latest. */
export async function settledWithin(
  promise: Promise<unknown>,
  ms: number,
): Promise<void> {
  using late = new Deadline(ms, () => new Error("Waited long enough"));
  await abortable(promise, late.signal).catch(() => {});
}

/** The reason that ends the timer of a disposed deadline. */
const DISPOSED = new Error("The deadline was disposed");

/**
 * A signal that aborts after a time, or with the first of its parent signals.
 * Disposing it ends its timer.
 *
 * `AbortSignal.timeout` is not used: its timer cannot be cancelled, and would go
 * on after the work has ended.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #disposed = new AbortController();
  readonly #parents: readonly AbortSignal[];
  readonly #onParent = (event: Event) =>
    this.#controller.abort((event.target as AbortSignal).reason);

  /** Aborts `ms` milliseconds from now, by `clock`, with `reason()`, or with a parent's own reason. */
  constructor(
    ms: number,
    reason: () => unknown,
    parents: readonly (AbortSignal | undefined)[] = [],
    clock: Clock = systemClock,
  ) {
    clock.sleep(ms, { signal: this.#disposed.signal })
      .then(() => this.#controller.abort(reason()), () => {});
    this.#parents = parents.filter((parent) => parent !== undefined);
    for (const parent of this.#parents) {
      if (parent.aborted) this.#controller.abort(parent.reason);
      else parent.addEventListener("abort", this.#onParent, { once: true });
    }
  }

  /** Aborts at the deadline or with the first parent. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the timer and removes the listeners. */
  [Symbol.dispose](): void {
    this.#disposed.abort(DISPOSED);
    for (const parent of this.#parents) {
      parent.removeEventListener("abort", this.#onParent);
    }
  }
}
