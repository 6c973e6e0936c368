/**
 * What can happen to agents and their etcd.
 *
 * @module
 */

import { ELECTION_PREFIX } from "../../src/store/keys.ts";
import type { ElectionWorld } from "./election_world.ts";
import type { Agent } from "./agent.ts";

/** A kind of trouble. */
export interface Fault {
  /** As the figures call it. */
  readonly name: string;
  /** Lets it happen to somebody. */
  begin(): void;
  /** Ends what lasts. */
  end(): void;
}

/** All kinds of trouble for one world; leaders are hit more often than others. */
export function electionFaults(world: ElectionWorld): Fault[] {
  const { timeline, cluster, agents } = world;
  const { random } = timeline;
  const { state, members } = cluster;

  let healed = false;

  function victim(): Agent {
    const leader = agents.find((agent) => agent.believes);
    return leader && random.chance(0.7) ? leader : random.pick(agents);
  }

  /** Around the times at which something is due. */
  function someMs(): number {
    return random.pick([0.1, 0.5, 0.9, 1, 1.1, 2]) * world.ttlMs +
      random.between(0, 500);
  }

  function cut(there: boolean, back: boolean): void {
    const agent = victim();
    const links = random.chance(0.5) ? agent.links : [random.pick(agent.links)];
    for (const link of links) {
      link.cutThere ||= there;
      link.cutBack ||= back;
    }
  }

  const lasting: [name: string, begin: () => void, end: () => void][] = [
    ["partition", () => cut(true, true), mend],
    ["requests lost", () => cut(true, false), mend],
    ["answers lost", () => cut(false, true), mend],
    ["slow network", () => {
      for (const link of victim().links) link.slow = 0.5;
    }, () => {
      for (const { links } of agents) {
        for (const link of links) link.slow = 0.02;
      }
    }],
    ["slow, then cut", () => {
      const { links, process } = victim();
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
      const { links } = victim();
      if (random.chance(0.5)) {
        for (const link of links.filter((link) => link.member !== member)) {
          link.cutThere = link.cutBack = true;
        }
      }
      cluster.deposeUnnoticed(member);
    }, () => {
      mend();
      cluster.rejoin();
    }],
    ["etcd member isolated", () => {
      random.pick(members).isolated = true;
    }, () => {
      cluster.rejoin();
    }],
    ["leader key overwritten", () => {
      meddle("somebody");
    }, () => {
      // Such a key hangs on no lease any more: who wrote it must delete it.
      for (const key of candidates()) {
        if (state.entries.get(key)?.lease === "0") {
          state.write({ [key]: undefined });
        }
      }
    }],
    ["agent killed", () => {
      const agent = victim();
      agent.kill();
      const index = agents.indexOf(agent);
      timeline.after(someMs(), () => revive(index));
    }, () => agents.forEach((_, index) => revive(index))],
  ];

  function mend(): void {
    for (const { links } of agents) {
      for (const link of links) link.cutThere = link.cutBack = false;
    }
  }

  /** Somebody else has his hands on a candidate's key: no clock can know. */
  function meddle(value: string | undefined): void {
    const keys = candidates();
    if (keys.length === 0) return;
    const key = random.pick(keys);
    world.meddledWith.add(key);
    state.write({ [key]: value });
  }

  function candidates(): string[] {
    return [...state.entries.keys()]
      .filter((key) => key.startsWith(ELECTION_PREFIX));
  }

  function revive(index: number): void {
    if (!agents[index]?.process.alive) world.start(index);
  }

  const passing: [name: string, begin: () => void][] = [
    ["process paused", () => victim().process.pause(someMs())],
    ["machine suspended", () => {
      // Shorter ones cannot be told from the rounding of the uptime.
      victim().process.suspend(2_300 + someMs());
    }],
    ["connections reset", () => {
      for (const link of victim().links) link.break();
    }],
    ["leader key deleted", () => {
      meddle(undefined);
    }],
    ["watch cancelled", () => void cluster.watches.cancelOne()],
    ["watch deaf", () => void cluster.watches.deafenOne()],
    ["compaction", () => {
      state.compacted = state.revision;
    }],
  ];
  return [
    ...lasting.map(([name, begin, end]) => ({ name, begin, end })),
    ...passing.map(([name, begin]) => ({ name, begin, end: () => {} })),
  ];
}
