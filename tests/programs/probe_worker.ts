/**
 * A Worker that tries things and says what became of each, to see what its
 * permissions are worth.
 *
 * @module
 */

import { serveCalls } from "../../src/base/worker/serve_calls.ts";
import { type Probe, tryProbe } from "./probe.ts";

/** What it can be asked. */
export interface ProbeCalls {
  /** Tries one thing; returns `done`, or the name of the error. */
  readonly probe: {
    readonly input: Probe;
    readonly news: never;
    readonly result: string;
  };
}

serveCalls<ProbeCalls>(() => Promise.resolve({ probe: tryProbe }));
