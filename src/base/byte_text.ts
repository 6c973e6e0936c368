/**
 * Writes a number of bytes for people.
 *
 * @module
 */

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** Returns a number of bytes as `12.3 MiB`, or from 10 GiB on as `12.3 GiB`. */
export function byteText(bytes: number): string {
  return bytes < 10 * GIB
    ? `${(bytes / MIB).toFixed(1)} MiB`
    : `${(bytes / GIB).toFixed(1)} GiB`;
}
