/**
 * The faults of watches and their readers.
 *
 * @module
 */

import type { Fault } from "./election_faults.ts";
import type { WatchWorld } from "./watch_world.ts";

/** All kinds of faults for one world. */
export function watchFaults(world: WatchWorld): Fault[] {
  const { timeline, cluster, links, process } = world;
  const { random } = timeline;
  const { state, members, watches } = cluster;
  const nothing = () => {};

  function undoCuts(): void {
    for (const link of links) link.cutThere = link.cutBack = false;
  }

  const faults: [name: string, begin: () => void, end: () => void][] = [
    ["stream broken", () => void watches.breakOne(), nothing],
    ["streams broken within messages", () => {
      watches.breaksInside = true;
    }, () => {
      watches.breaksInside = false;
    }],
    ["watch cancelled", () => void watches.cancelOne(), nothing],
    ["watch falls silent", () => void watches.silenceOne(), nothing],
    ["compaction", () => {
      state.compacted = Math.max(
        state.compacted,
        state.revision - random.below(3),
      );
    }, nothing],
    ["member lags", () => {
      random.pick(members).lagMs = random.pick([50, 500, 5_000]);
    }, () => {
      for (const member of members) member.lagMs = 0;
    }],
    ["member isolated", () => {
      random.pick(members).isolated = true;
    }, () => {
      for (const member of members) member.isolated = false;
    }],
    ["member dies", () => {
      const member = random.pick(members);
      member.down = true;
      links.find((link) => link.member === member)?.break();
    }, () => {
      for (const member of members) member.down = false;
    }],
    ["partition", () => {
      for (const link of links) {
        if (random.chance(0.7)) link.cutThere = link.cutBack = true;
      }
    }, undoCuts],
    ["answers lost", () => {
      random.pick(links).cutBack = true;
    }, undoCuts],
    [
      "etcd leader changes",
      () => cluster.loseLeader(random.between(100, 3_000)),
      () => cluster.electLeader(),
    ],
    [
      "reader paused",
      () => process.pause(random.between(100, 20_000)),
      nothing,
    ],
    [
      "machine suspended",
      () => process.suspend(random.between(100, 20_000)),
      nothing,
    ],
  ];
  return faults.map(([name, begin, end]) => ({ name, begin, end }));
}
