/**
 * What the formats of archives have in common.
 *
 * @module
 */

/** One entry of an archive. */
export interface ArchivedFile {
  /** The whole name, as the archive says it. */
  readonly name: string;
  /** Neither a directory nor a link nor a device. */
  readonly plain: boolean;
  /** Begins to read the content; at most once, and before the next entry. */
  readonly contents: () => Promise<AsyncIterable<Uint8Array>>;
}
