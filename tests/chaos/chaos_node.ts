/**
 * A node under test: its agent as a process that faults end and start again,
 * the etcd below it, and what its log says of terms.
 *
 * @module
 */

import { type AgentProcess, startAgent } from "../machine/agent_process.ts";
import { eventually } from "../machine/eventually.ts";
import type { Probe } from "../history/history.ts";
import { sleep } from "../machine/sleep.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";
import { etcdsOn, signal } from "../machine/processes.ts";

/** What a node is made of. */
export interface NodeSetting {
  /** The node's name, and its leader ID. */
  readonly name: string;
  /** The agent's command line at its first start. */
  readonly firstArgs: readonly string[];
  /** The agent's command line at later ones. */
  readonly laterArgs: readonly string[];
  /** The data directory of its etcd; undefined if it runs none. */
  readonly etcdDir?: string | undefined;
  /** Its member's client URL, as seen from the run; undefined if it runs none. */
  readonly endpoint?: string | undefined;
  /** A command that becomes the agent, as one that enters its network. */
  readonly prefix?: readonly string[];
  /** More of the agent's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the agent's wall clock is not the machine's. */
  readonly hasOwnClock?: boolean;
  /** Where its agents' logs are kept. */
  readonly logDir: string;
  /** Told of what its log says of terms. */
  readonly append: (probe: Probe) => void;
}

/**
 * An agent without a member ends when another etcd answers, and is started again
 * as by systemd; it waits for nobody where there is no cluster of KAT's.
 */
const ELSEWHERE = /and not of cluster|holds no cluster/;
const RESTART_MS = 500;

/** A line of the log says that a term is over. */
const OVER = ["Lost leadership", "Resigned leadership"];
/** How often the log is read, in milliseconds. */
const READ_MS = 25;

/** How long an agent may take to stop: 5 s are etcd's, which may be killed then. */
const STOP_MS = 15_000;

const HOUR_MS = 3_600_000;
/** Within this time after waking an agent says what it found, in nanoseconds. */
const WAKING_NS = 1e9;
/** How densely a term is written down, in nanoseconds. */
const SAID_EACH_NS = 500e6;

interface AgentTerm {
  readonly node: string;
  readonly token: number;
  readonly fromNs: number;
}

/** A node that faults are done to. */
export class ChaosNode implements AsyncDisposable {
  /** What it is made of. */
  readonly setting: NodeSetting;
  /** What an agent did that no fault explains. */
  readonly incidents: string[] = [];
  #agent: AgentProcess | undefined;
  #starts = 0;
  #ending = false;
  #read = 0;
  #term: AgentTerm | undefined;
  #pausedAtNs = 0;
  #wokenAtNs = 0;
  #toldToStopNs = Infinity;
  #followed: Promise<void> = Promise.resolve();
  readonly #timer: ReturnType<typeof setInterval>;

  /** A node that is not started yet. */
  constructor(setting: NodeSetting) {
    this.setting = setting;
    this.#timer = setInterval(() => this.#readLog(), READ_MS);
  }

  /** The node's name. */
  get name(): string {
    return this.setting.name;
  }

  /** The name of its present agent in the history. */
  get process(): string {
    return `${this.name}#${this.#starts}`;
  }

  /** The running agent. @throws {Error} if there is none. */
  get agent(): AgentProcess {
    if (!this.#agent) throw new Error(`${this.name} has no agent now`);
    return this.#agent;
  }

  /** Starts the agent. */
  start(): AgentProcess {
    const { firstArgs, laterArgs, prefix = [], env = {} } = this.setting;
    const args = this.#starts++ === 0 ? firstArgs : laterArgs;
    const agent = startAgent(args, {
      prefix,
      env: { KAT_LOG_LEVEL: "debug", ...env },
    });
    this.#agent = agent;
    this.#ending = false;
    this.#toldToStopNs = Infinity;
    this.#read = 0;
    this.#followed = this.#follow(agent, this.#starts);
    return agent;
  }

  /** The pid of its etcd. @throws {Error} if there is none within 10 s. */
  async etcdPid(): Promise<number> {
    const { etcdDir } = this.setting;
    if (etcdDir === undefined) throw new Error(`${this.name} runs no etcd`);
    return await eventually(async () => {
      const [pid] = await etcdsOn(etcdDir);
      if (pid === undefined) throw new Error(`${this.name} has no etcd now`);
      return pid;
    }, { withinMs: 10_000 });
  }

  /** Ends the agent with a signal and waits; says what shows that it is gone. */
  async end(name: "SIGKILL" | "SIGTERM"): Promise<string> {
    this.#ending = true;
    this.#toldToStopNs = monotonicNs();
    const { pid, ended } = this.agent;
    this.agent.kill("SIGCONT");
    this.agent.kill(name);
    const { code, stderr } = await ended;
    await this.#followed;
    // Told before it could listen, it has begun nothing: 128 + 15, as any program.
    const isEarly = code === 143 && stderr === "";
    if (name === "SIGTERM" && code !== 0 && !isEarly) {
      this.incidents.push(`${this.name} ended with ${code} after SIGTERM`);
    }
    return `agent ${pid} ended with ${code}`;
  }

  /** Stops or continues processes of the node. */
  pause(pids: readonly number[], on: boolean): void {
    for (const pid of pids) signal(pid, on ? "SIGSTOP" : "SIGCONT");
    if (!pids.includes(this.agent.pid)) return;
    if (on) this.#pausedAtNs = monotonicNs();
    else this.#wokenAtNs = monotonicNs();
  }

  /** Ends the agent in order, if there is one, and no longer looks at it. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#ending = true;
    this.#toldToStopNs = monotonicNs();
    const startNs = monotonicNs();
    await this.#agent?.[Symbol.asyncDispose]();
    await this.#followed;
    const tookMs = (monotonicNs() - startNs) / 1e6;
    if (tookMs > STOP_MS) {
      this.incidents.push(`${this.name} took ${tookMs} ms to stop`);
    }
  }

  async #follow(agent: AgentProcess, start: number): Promise<void> {
    const { code, stderr } = await agent.ended;
    this.#readLog();
    // A killed agent says nothing more; what it believed, it did until then.
    const killed = this.#toldToStopNs < Infinity;
    this.#closeTerm(killed ? this.#awake(this.#toldToStopNs) : undefined);
    const isRight = code === 1 && this.setting.etcdDir === undefined &&
      ELSEWHERE.test(stderr);
    if (!this.#ending && !isRight) {
      this.incidents.push(`${this.name}'s agent ended by itself with ${code}`);
    }
    const path = `${this.setting.logDir}/${this.name}.${start}.log`;
    await Deno.writeTextFile(path, stderr);
    if (this.#ending || !isRight) return;
    await sleep(RESTART_MS);
    if (!this.#ending) this.start();
  }

  /** Turns what the log says of terms into probes. */
  #readLog(): void {
    const lines = this.#agent?.lines ?? [];
    for (; this.#read < lines.length; this.#read++) {
      const line = lines[this.#read];
      if (!line) continue;
      const agoMs = Date.now() - line.timeMs;
      // A clock of its own is stepped by hours; the rest is how long ago it was.
      const steppedMs = this.setting.hasOwnClock
        ? Math.round(agoMs / HOUR_MS) * HOUR_MS
        : 0;
      const atNs = monotonicNs() - (agoMs - steppedMs) * 1e6;
      if (line.message.startsWith("Became leader: ")) {
        const token = Number(line.fields.fence);
        this.#term = { node: this.process, token, fromNs: atNs };
        this.#say(atNs, true);
      } else if (OVER.some((message) => line.message.startsWith(message))) {
        // A resignation is logged when the store knows; the belief ended before.
        this.#closeTerm(Math.min(this.#awake(atNs), this.#toldToStopNs));
      }
    }
  }

  /** A frozen agent believes nothing; what it logs first when it wakes ended before. */
  #awake(atNs: number): number {
    const justWoken = atNs >= this.#pausedAtNs &&
      (this.#wokenAtNs < this.#pausedAtNs ||
        atNs < this.#wokenAtNs + WAKING_NS);
    return justWoken ? this.#pausedAtNs : atNs;
  }

  /** The term's belief lasted until `untilNs`, or for an unknown time. */
  #closeTerm(untilNs: number | undefined): void {
    const { fromNs } = this.#term ?? { fromNs: Infinity };
    const toNs = untilNs ?? 0;
    for (let at = fromNs + SAID_EACH_NS; at < toNs; at += SAID_EACH_NS) {
      this.#say(at, true);
    }
    if (untilNs !== undefined) this.#say(untilNs, true);
    this.#say(untilNs ?? monotonicNs(), false);
    this.#term = undefined;
  }

  #say(atNs: number, leads: boolean): void {
    if (this.#term === undefined) return;
    const { node, token } = this.#term;
    const at = Math.round(atNs);
    this.setting.append({
      type: "probe",
      node,
      asked_ns: at,
      answered_ns: at,
      leads,
      ...(leads ? { token } : {}),
    });
  }
}
