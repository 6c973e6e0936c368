/**
 * Ends a term for a reason that the store does not know.
 *
 * @module
 */

/** Held by who may end terms, and by the election that has them. */
export class TermCanceller {
  #current = new AbortController();

  /** Aborts with the reason when the term that is under way now is ended. */
  get signal(): AbortSignal {
    return this.#current.signal;
  }

  /** Ends the term that is under way, if one is; the node campaigns again. */
  end(reason: Error): void {
    const current = this.#current;
    this.#current = new AbortController();
    current.abort(reason);
  }
}
