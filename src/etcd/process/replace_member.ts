/**
 * How a member is replaced that its cluster can no longer take as it is: the
 * commands, with the names and numbers of this member. Pure.
 *
 * @module
 */

import { hostOf, portOf, urlOf } from "../../base/url.ts";
import type { Diagnosis } from "./diagnose_log.ts";
import type { EtcdMember } from "./etcd_flags.ts";

/** What {@linkcode replaceMember} is made from. */
export type ReplacedMember = Pick<
  EtcdMember,
  "name" | "peerUrl" | "initialCluster" | "clientUrls"
>;

/**
 * Adds to a diagnosis how the member is replaced, where that is the way on.
 * `lines` are those of its log.
 */
export function withReplacement(
  diagnosis: Diagnosis,
  { member, lines }: {
    readonly member: ReplacedMember;
    readonly lines: readonly string[];
  },
): Diagnosis {
  const { failure } = diagnosis;
  const isAlone = member.initialCluster.length === 1;
  if (failure === "data-lost") {
    const id = lines.map((line) => BOOTSTRAPPED_REGEXP.exec(line)?.[1])
      .find((id) => id !== undefined);
    return {
      ...diagnosis,
      why: `this cluster has had member "${member.name}" ${
        id === undefined ? "" : `(${id}) `
      }with data, and its data is gone`,
      hint:
        `If there is a copy of its data directory that is not older, put it back. Else ${
          replaceMember(member, id)
        }`,
    };
  }
  if (failure === "removed") {
    return {
      ...diagnosis,
      hint: isAlone
        ? diagnosis.hint
        : `If it is to be a member again: move its data directory away, ${
          addMember(member)
        }`,
    };
  }
  if (failure === "damaged" && !isAlone) {
    return {
      ...diagnosis,
      hint: `${diagnosis.hint}; or move the data directory away and ${
        replaceMember(member)
      }`,
    };
  }
  return diagnosis;
}

const BOOTSTRAPPED_REGEXP =
  /member ([0-9a-f]{1,16}) has already been bootstrapped/;

/** The steps, as a clause without a capital. */
export function replaceMember(
  member: ReplacedMember,
  id = "ID (etcdctl member list shows it)",
): string {
  const count = member.initialCluster.length;
  if (count < 3) {
    return count === 1
      ? "restore a backup"
      : "restore a backup: the other node has no majority alone, and this version of kat-agent cannot make a cluster of its data; etcdctl snapshot save still copies them";
  }
  return `replace it, as long as more than half of the ${count} members run, which serve on meanwhile: ${
    ctl(member)
  } member remove ${id}; some seconds later ${addMember(member)}`;
}

function addMember(member: ReplacedMember): string {
  return `${
    ctl(member)
  } member add ${member.name} --peer-urls=${member.peerUrl}; then start this node as at first, with the same --initial-cluster and an empty data directory: it gets its data from the others`;
}

function ctl({ peerUrl, initialCluster, clientUrls }: ReplacedMember): string {
  const others = initialCluster.filter((one) => one.peerUrl !== peerUrl)
    .map((one) => urlOf(hostOf(one.peerUrl), portOf(clientUrls[0])));
  return `etcdctl --endpoints=${others.join(",")}`;
}
