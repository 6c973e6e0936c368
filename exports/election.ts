/**
 * The campaign loop with a leader's duties, and seeing which node leads.
 *
 * @module
 */

export {
  type Duties,
  type ElectionOptions,
  runElection,
} from "../src/election/election.ts";
export {
  observeLeader,
  type ObserveOptions,
} from "../src/election/observe_leader.ts";
export { TermCanceller } from "../src/election/term_canceller.ts";
