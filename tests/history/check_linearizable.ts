/**
 * I3: the operations on each key can be put in one order that agrees with time
 * and with every answer, whatever revisions etcd gave.
 *
 * @module
 */

import { GroundTruth } from "./ground_truth.ts";
import type { History } from "./history.ts";
import { ABSENT, keyOperations } from "./key_operations.ts";
import { Findings, type Verdict } from "./verdict.ts";
import { linearizability } from "./wgl.ts";

/** Options of {@linkcode checkLinearizable}. */
export interface LinearizableOptions {
  /** After how many steps of the search a key stays undecided. */
  readonly maxSteps?: number;
}

/** Searches an order for each key; one for which none was found in time is undecided. */
export function checkLinearizable(
  history: History,
  truth: GroundTruth = new GroundTruth(history),
  options: LinearizableOptions = {},
): Verdict {
  const findings = new Findings();
  let operations = 0;
  for (const [key, list] of keyOperations(history, truth)) {
    findings.checked += 1;
    operations += list.length;
    const result = linearizability(list, { initial: ABSENT, ...options });
    if (result === "undecided") findings.undecided += 1;
    if (result !== "illegal") continue;
    findings.add(
      `The ${list.length} operations on ${
        JSON.stringify(key)
      } fit into no order`,
      ...list.map(({ id }) => id),
    );
  }
  return findings.verdict({ figures: { operations } });
}
