/**
 * Delays the tables of `Intl.Segmenter` until a text is segmented. The library of
 * the command line makes a segmenter when it is loaded, for the width of help
 * texts, and the tables would cost each start 11 ms and 2 MB.
 *
 * @module
 */

/** Replaces `Intl.Segmenter` by a class that makes the real one at the first use. */
export function putOffSegmenter(): void {
  const { Segmenter } = Intl;
  class LateSegmenter implements Intl.Segmenter {
    readonly #arguments: ConstructorParameters<typeof Segmenter>;
    #made: Intl.Segmenter | undefined;

    constructor(...given: ConstructorParameters<typeof Segmenter>) {
      this.#arguments = given;
    }

    get #segmenter(): Intl.Segmenter {
      return this.#made ??= new Segmenter(...this.#arguments);
    }

    segment(input: string): Intl.Segments {
      return this.#segmenter.segment(input);
    }

    resolvedOptions(): Intl.ResolvedSegmenterOptions {
      return this.#segmenter.resolvedOptions();
    }
  }
  Object.defineProperty(Intl, "Segmenter", {
    value: LateSegmenter,
    configurable: true,
    writable: true,
  });
}
