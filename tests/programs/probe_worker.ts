/**
 * A Worker that tries things and says what became of each, to see what its
 * permissions are worth.
 *
 * @module
 */

import { serveMethods } from "../../src/base/worker/serve_methods.ts";
import { type Probe, tryProbe } from "./probe.ts";

/** What it does when asked. */
export interface ProbeMethods {
  /** Tries one thing; returns `done`, or the name of the error. */
  probe(probe: Probe): Promise<string>;
}

serveMethods<ProbeMethods, never>(() =>
  Promise.resolve({ methods: { probe: tryProbe } })
);
