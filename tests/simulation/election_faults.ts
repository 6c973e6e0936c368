/**
 * The faults of agents and their etcd.
 *
 * @module
 */

import { ELECTION_PREFIX } from "../../src/store/keys.ts";
import type { ElectionWorld } from "./election_world.ts";
import type { Agent } from "./agent.ts";

/** A kind of fault. */
export interface Fault {
  /** As the figures call it. */
  readonly name: string;
  /** Begins it. */
  begin(): void;
  /** Ends what lasts. */
  end(): void;
}

/** All kinds of faults for one world; leaders are targets more often than others. */
export function electionFaults(world: ElectionWorld): Fault[] {
  const { timeline, cluster, agents } = world;
  const { random } = timeline;
  const { state, members } = cluster;

  let healed = false;

  function target(): Agent {
    const leader = agents.find((agent) => agent.believes);
    return leader && random.chance(0.7) ? leader : random.pick(agents);
  }

  /** Around the times at which something is due. */
  function someMs(): number {
    return random.pick([0.1, 0.5, 0.9, 1, 1.1, 2]) * world.ttlMs +
      random.between(0, 500);
  }

  function cut(there: boolean, back: boolean): void {
    const agent = target();
    const links = random.chance(0.5) ? agent.links : [random.pick(agent.links)];
    for (const link of links) {
      link.cutThere ||= there;
      link.cutBack ||= back;
    }
  }

  const lasting: [name: string, begin: () => void, end: () => void][] = [
    ["partition", () => cut(true, true), undoCuts],
    ["requests lost", () => cut(true, false), undoCuts],
    ["answers lost", () => cut(false, true), undoCuts],
    ["slow network", () => {
      for (const link of target().links) link.slow = 0.5;
    }, () => {
      for (const { links } of agents) {
        for (const link of links) link.slow = 0.02;
      }
    }],
    ["slow, then cut", () => {
      const { links, process } = target();
      for (const link of links) link.slow = 0.7;
      timeline.after(random.between(0, world.ttlMs), () => {
        if (!process.alive || healed) return;
        for (const link of links) link.cutThere = link.cutBack = true;
      });
    }, () => {
      healed = true;
      for (const { links } of agents) {
        for (const link of links) link.slow = 0.02;
      }
    }],
    ["etcd member dies", () => {
      const member = random.pick(members);
      member.down = true;
      for (const { links } of agents) {
        links.find((link) => link.member === member)?.break();
      }
    }, () => {
      for (const member of members) member.down = false;
    }],
    ["etcd leader changes", () => {
      cluster.loseLeader(someMs() / 2);
    }, () => cluster.electLeader()],
    ["etcd leader deposed unnoticed", () => {
      const member = random.pick(members);
      const { links } = target();
      if (random.chance(0.5)) {
        for (const link of links.filter((link) => link.member !== member)) {
          link.cutThere = link.cutBack = true;
        }
      }
      cluster.deposeUnnoticed(member);
    }, () => {
      undoCuts();
      cluster.rejoin();
    }],
    ["etcd member isolated", () => {
      random.pick(members).isolated = true;
    }, () => {
      cluster.rejoin();
    }],
    ["leader key overwritten", () => {
      changeKey("another");
    }, () => {
      // Such a key has no lease any more: its writer must delete it.
      for (const key of candidates()) {
        if (state.entries.get(key)?.lease === "0") {
          state.write({ [key]: undefined });
        }
      }
    }],
    ["agent killed", () => {
      const agent = target();
      agent.kill();
      const index = agents.indexOf(agent);
      timeline.after(someMs(), () => restart(index));
    }, () => agents.forEach((_, index) => restart(index))],
  ];

  function undoCuts(): void {
    for (const { links } of agents) {
      for (const link of links) link.cutThere = link.cutBack = false;
    }
  }

  /** Changes a candidate's key from outside: the clock of the candidate cannot tell. */
  function changeKey(value: string | undefined): void {
    const keys = candidates();
    if (keys.length === 0) return;
    const key = random.pick(keys);
    world.changedKeys.add(key);
    state.write({ [key]: value });
  }

  function candidates(): string[] {
    return [...state.entries.keys()]
      .filter((key) => key.startsWith(ELECTION_PREFIX));
  }

  function restart(index: number): void {
    if (!agents[index]?.process.alive) world.start(index);
  }

  const passing: [name: string, begin: () => void][] = [
    ["process paused", () => target().process.pause(someMs())],
    ["machine suspended", () => {
      // Shorter ones cannot be told from the rounding of the uptime.
      target().process.suspend(2_300 + someMs());
    }],
    ["connections reset", () => {
      for (const link of target().links) link.break();
    }],
    ["leader key deleted", () => {
      changeKey(undefined);
    }],
    ["watch cancelled", () => void cluster.watches.cancelOne()],
    ["watch falls silent", () => void cluster.watches.silenceOne()],
    ["compaction", () => {
      state.compacted = state.revision;
    }],
  ];
  return [
    ...lasting.map(([name, begin, end]) => ({ name, begin, end })),
    ...passing.map(([name, begin]) => ({ name, begin, end: () => {} })),
  ];
}
