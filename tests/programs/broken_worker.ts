/**
 * A Worker that cannot begin.
 *
 * @module
 */

throw new Error("It cannot begin");
