/**
 * Bridges from promises and deadlines to AbortSignals, without leaving a timer
 * or a listener behind.
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";

/**
 * Settles as `promise` does, or rejects with the signal's reason if that comes
 * first. It stops the waiting, not the work.
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

/** Resolves once `signal` is aborted; rejects never. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Why a deadline's timer ends; nobody sees it. */
const TAKEN = new Error("The deadline was taken back");

/**
 * A signal that aborts after a time unless disposed before, and together with
 * the signals it was made from.
 *
 * `AbortSignal.timeout` cannot be taken back, so its timer would outlive the
 * work it guards; this one ends with its block.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #taken = new AbortController();
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
    clock.sleep(ms, { signal: this.#taken.signal })
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

  /** Takes the timer and the listeners back. */
  [Symbol.dispose](): void {
    this.#taken.abort(TAKEN);
    for (const parent of this.#parents) {
      parent.removeEventListener("abort", this.#onParent);
    }
  }
}
