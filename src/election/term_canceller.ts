/**
 * Ends a term for a reason outside the store, as a member that has stopped.
 *
 * @module
 */

/** Shared by the election and by what may cancel its terms. */
export class TermCanceller {
  #current = new AbortController();

  /** Aborts with the reason when the current term is cancelled. */
  get signal(): AbortSignal {
    return this.#current.signal;
  }

  /** Cancels the current term, if there is one; the node campaigns again. */
  end(reason: Error): void {
    const current = this.#current;
    this.#current = new AbortController();
    current.abort(reason);
  }
}
