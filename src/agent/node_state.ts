/**
 * The state of a node, from its first step to its last, for what shows it.
 *
 * @module
 */

import type { EtcdProcess } from "../etcd/process/etcd_process.ts";

/** Options of the questions to what is watched. */
export interface CheckOptions {
  /** Ends the wait for the answer. */
  readonly signal: AbortSignal;
}

/** An etcd, as the watchdog sees it. */
export interface WatchedEtcd extends Pick<EtcdProcess, "pid" | "state"> {
  /** Whether it answers at all before the signal aborts. */
  readonly answers: (options: CheckOptions) => Promise<boolean>;
  /** Whether it says before the signal aborts that it serves. */
  readonly serves: (options: CheckOptions) => Promise<boolean>;
}

/** A part of the agent, as the watchdog sees it. */
export interface WatchedPart {
  /** What it is called. */
  readonly name: string;
  /** Whether its event loop turns: whether it answers before the signal aborts. */
  readonly responds: (options: CheckOptions) => Promise<boolean>;
}

/** A term that this node leads in. */
export interface TermState {
  /** Its number. */
  readonly fence: bigint;
  /** Whether it has ended, and only its duties have not yet. */
  readonly isOver: boolean;
}

/** What is known of a node; absent until it is known. */
export interface NodeState {
  /** How far the search for an etcd is, while it lasts: `fetching etcd: 12 %`. */
  readonly search?: string | undefined;
  /** Whether the node's etcd is supervised. */
  readonly isUp?: boolean;
  /** The parts of the agent, which run in Workers. */
  readonly parts?: readonly WatchedPart[];
  /** The etcd that was started last. */
  readonly etcd?: WatchedEtcd;
  /** Its version. */
  readonly etcdVersion?: string;
  /** Why etcd ends again and again, if it does. */
  readonly keepsEnding?: string | undefined;
  /** The members that a starting etcd waits for. */
  readonly waitsFor?: string | undefined;
  /** The term that this node leads in. */
  readonly term?: TermState | undefined;
  /** The node that leads, as last seen. */
  readonly leader?: string | undefined;
  /** The last check of the store, with what was wrong. */
  readonly storeCheck?: { readonly trouble: string | undefined };
}

/** Takes progress: what it names has changed, the rest is as it was. */
export type Report = (progress: NodeState) => void;

/** What only the place that shows it knows. */
export interface DescribeOptions {
  /** When the term began. */
  readonly termSince: Date;
  /** What time it is. */
  readonly now: Date;
}

/** A node's state as one line for people. */
export function describeNode(
  state: NodeState,
  options: DescribeOptions,
): string {
  const { search, etcd, waitsFor, storeCheck } = state;
  if (search !== undefined) return search;
  if (waitsFor !== undefined) {
    return `waiting for ${waitsFor}, ${describeEtcd(state)}`;
  }
  if (!state.isUp) return etcd ? describeEtcd(state) : "starting";
  const parts = [describeRole(state, options)];
  if (storeCheck?.trouble !== undefined) {
    parts.push(`the store cannot be reached: ${storeCheck.trouble}`);
  }
  if (etcd) parts.push(describeEtcd(state));
  return parts.join(", ");
}

function describeRole(
  { term, leader }: NodeState,
  { termSince, now }: DescribeOptions,
): string {
  if (term?.isOver) return "leadership lost, its duties are ending";
  if (term) {
    const since = timeText(termSince, now);
    return `leader since ${since}, fence ${term.fence}`;
  }
  return leader === undefined ? "no leader seen yet" : `observing ${leader}`;
}

function describeEtcd(
  { etcd, etcdVersion, storeCheck, keepsEnding }: NodeState,
): string {
  if (keepsEnding !== undefined) {
    return `etcd keeps ending: ${keepsEnding}, tried again every minute`;
  }
  const words = {
    starting: "starting",
    serving: storeCheck?.trouble === undefined ? "healthy" : "running",
    stopping: "stopping",
    exited: "ended, is started again",
  };
  return `etcd ${etcdVersion} ${etcd ? words[etcd.state] : "unknown"}`;
}

/** The local time, with its day unless that is today. */
function timeText(time: Date, now: Date): string {
  const two = (number: number) => String(number).padStart(2, "0");
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}`;
  if (time.toDateString() === now.toDateString()) return clock;
  const day = [time.getFullYear(), time.getMonth() + 1, time.getDate()];
  return `${day.map(two).join("-")} ${clock}`;
}
