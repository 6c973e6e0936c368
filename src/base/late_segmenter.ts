/**
 * Puts off what `Intl.Segmenter` loads until somebody segments: the library of
 * the command line makes one as it loads, for the width of help texts, and the
 * tables behind it cost each start 11 ms and 2 MB.
 *
 * @module
 */

/** Replaces `Intl.Segmenter` by one that is made when it is first used. */
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
