/**
 * What is to be done about a member that does not answer, from what else is
 * seen of it: pure.
 *
 * @module
 */

import { portOf } from "../base/url.ts";
import type { MemberFacts } from "./cluster_facts.ts";

/** What is wrong with a silent member and what to do, as a clause to follow its name. */
export function explainSilentMember(
  { name, url, memberId, isPeerOpen }: Omit<MemberFacts, "status">,
): string {
  // etcd learns a member's name when it first starts.
  const hasNeverStarted = name === "" && memberId !== undefined;
  if (hasNeverStarted) {
    return `was added to etcd and has never started: start it, or take it out again with etcdctl member remove ${memberId}`;
  }
  if (isPeerOpen) {
    return `does not answer at its client port, although the port for its peers is open: port ${
      portOf(url)
    } cannot be reached from here, is it closed by a firewall?`;
  }
  return "does not answer: start its agent";
}
