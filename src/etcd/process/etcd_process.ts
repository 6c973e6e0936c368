/**
 * The etcd child: started, waited for, stopped. Restarting is left to the
 * supervisor.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import { hostOf, isLoopback } from "../../base/url.ts";
import { abortable, Deadline } from "../../base/abortable.ts";
import { systemClock } from "../../base/clock.ts";
import { addExitHook } from "../../base/exit_hooks.ts";
import { removeOwnSync } from "../../base/files/write_own.ts";
import { logger } from "../../base/log.ts";
import { holdsPort } from "../data/data_dir_lock.ts";
import {
  explainExit,
  type ExplainExitOptions,
  explainSilence,
} from "./explain_exit.ts";
import { etcdFlags, type EtcdMember } from "./etcd_flags.ts";
import { type LogPeer, peersInLog } from "./log_peers.ts";
import type { EtcdHealth } from "../client/etcd_health.ts";
import { EtcdLogFile } from "./etcd_log_file.ts";
import { writePidFile } from "./etcd_pid_file.ts";
import type { EtcdExit, EtcdProcessError } from "./etcd_process_error.ts";
import { type EtcdVersion, versionText } from "../etcd_version.ts";
import { type SpawnedEtcd, spawnEtcd } from "./spawn_etcd.ts";

const log = logger("etcd");

/** How many etcds this thread has had. */
let count = 0;

/** How an etcd is run; all but `health` is plain data. */
export interface EtcdProcessOptions {
  /** The etcd to run. */
  readonly binary: string;
  /** Its version, which decides the arguments. */
  readonly version: EtcdVersion;
  /** The member it is. */
  readonly member: EtcdMember;
  /** Where its log goes; its directory exists. */
  readonly logFile: string;
  /** Where the child is remembered while it runs; its directory exists. */
  readonly pidFile: string;
  /** What asks whether it serves. */
  readonly health: Pick<EtcdHealth, "untilServing">;
  /** The size from which the log is cut, in bytes. @default {16777216} */
  readonly logLimitBytes?: number | undefined;
  /** How often the log's size is checked, in milliseconds. @default {120000} */
  readonly logCheckMs?: number | undefined;
}

/** Options of {@linkcode startEtcd}. */
export interface StartEtcdOptions {
  /** Cancels the starting; it does not stop what has been started. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode EtcdProcess.waitUntilServing}. */
export interface WaitUntilServingOptions {
  /** Ends the wait; etcd runs on. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, in milliseconds. @default {30000} */
  readonly timeoutMs?: number | undefined;
}

/** Options of {@linkcode EtcdProcess.stop}. */
export interface StopOptions {
  /** How long etcd may take after SIGTERM before SIGKILL, in milliseconds. @default {10000} */
  readonly graceMs?: number | undefined;
}

/** What an {@linkcode EtcdProcess} is doing. */
export type EtcdProcessState = "starting" | "serving" | "stopping" | "exited";

/**
 * etcd takes 0.1 s alone. With peers it first tries to hand leadership over, for
 * up to 5 s and an election time-out where several stop at once; 10 s is a hung
 * disk.
 */
export const GRACE_MS = 10_000;
/** A single member serves within 1 s; a WAL of many segments and a check of all data take longer. */
const SERVING_MS = 30_000;
/** The pause between two checks whether it holds its ports: etcd starts in a few of them. */
const PORT_CHECK_MS = 10;
/** etcd writes a few lines a minute; even at 100 a second the log grows by 4 MB between two checks. */
const LOG_CHECK_MS = 120_000;

/**
 * Starts etcd in a session of its own, with an environment of its own and its
 * output in a file. It is running, not yet serving, when this resolves.
 *
 * The caller has checked the data directory and the ports and ended an orphan,
 * because etcd itself reports these badly.
 *
 * @throws {KatError} if the binary cannot be run on this machine, or the log
 * cannot be written.
 * @throws {KatError} if the pid file cannot be written; etcd is then stopped.
 */
export async function startEtcd(
  options: EtcdProcessOptions,
  { signal }: StartEtcdOptions = {},
): Promise<EtcdProcess> {
  const { binary, version, member, pidFile } = options;
  const logFile = await EtcdLogFile.open(options.logFile, {
    limitBytes: options.logLimitBytes,
  });
  signal?.throwIfAborted();
  const { dataDir } = member;
  const args = etcdFlags(member, version);
  const childId = crypto.randomUUID();
  const spawned = await spawnEtcd(binary, { args, dataDir, childId, logFile });
  const etcd = new EtcdProcess({ ...spawned, logFile, options });
  log.info("etcd started", {
    pid: etcd.pid,
    version: versionText(options.version),
  });
  try {
    await writePidFile(pidFile, { pid: etcd.pid, childId });
    // Its end, if it came meanwhile, found no file to remove.
    if (etcd.state === "exited") removePidFile(pidFile);
    signal?.throwIfAborted();
    return etcd;
  } catch (error) {
    await etcd.stop();
    throw error;
  }
}

/**
 * A running etcd, from its start to its end. Dispose of it in any case: an
 * etcd that has ended by itself leaves nothing running either, but only then
 * is all of its bookkeeping over.
 *
 * ```text
 *              health: true            stop()
 *  starting ───────────────► serving ─────────► stopping
 *     │  │                      │                  │
 *     │  └──────── stop() ──────┼────────────────► │
 *     │                         │                  │
 *     └── ends by itself ───────┴───► exited ◄─────┘ ends
 * ```
 */
export class EtcdProcess implements AsyncDisposable {
  /** Tells it from every other etcd of this thread, as its pid does not. */
  readonly serial = ++count;
  /** Its pid; another's once {@linkcode exited} has resolved. */
  readonly pid: number;
  /** Resolves with how it ended, as soon as it has; rejects never. */
  readonly exited: Promise<EtcdExit>;
  readonly #logFile: EtcdLogFile;
  readonly #options: EtcdProcessOptions;
  readonly #logTimer: ReturnType<typeof setInterval>;
  readonly #ended = new AbortController();
  readonly #exitHook: Disposable;
  readonly #kill: SpawnedEtcd["kill"];
  #peers: ReadonlyMap<string, LogPeer> = new Map();
  #rotation: Promise<void> = Promise.resolve();
  #state: EtcdProcessState = "starting";
  #exit: EtcdExit | undefined;
  #killTimer: ReturnType<typeof setTimeout> | undefined;

  /** Takes charge of an etcd that runs; use {@linkcode startEtcd} or `adoptEtcd`. */
  constructor(
    { pid, exited, kill, logFile, options }: SpawnedEtcd & {
      readonly logFile: EtcdLogFile;
      readonly options: EtcdProcessOptions;
    },
  ) {
    this.pid = pid;
    this.#logFile = logFile;
    this.#options = options;
    this.#kill = kill;
    this.#exitHook = addExitHook(() => kill("SIGKILL"));
    this.exited = exited.then((exit) => {
      this.#onExit(exit);
      return exit;
    });
    this.#logTimer = setInterval(
      () => this.#boundLog(),
      options.logCheckMs ?? LOG_CHECK_MS,
    );
  }

  /** What it is doing. */
  get state(): EtcdProcessState {
    return this.#state;
  }

  /**
   * Resolves once the member answers that it serves, which needs a leader and
   * so a majority of the members. What another program at its port answers does
   * not count.
   *
   * @throws {EtcdProcessError} at once if etcd ends, or when the time is over;
   * etcd then runs on.
   * @throws {KatError} if its database cannot be read.
   */
  async waitUntilServing(
    { signal, timeoutMs = SERVING_MS }: WaitUntilServingOptions = {},
  ): Promise<void> {
    const late = Symbol("late");
    using deadline = new Deadline(timeoutMs, () => late, [
      signal,
      this.#ended.signal,
    ]);
    const { health } = this.#options;
    try {
      // Until then another program may take the connection, and answer later.
      while (!await holdsPort(this.#options.member.dataDir)) {
        await systemClock.sleep(PORT_CHECK_MS, { signal: deadline.signal });
      }
      await abortable(
        health.untilServing(this.#localUrl(), deadline),
        deadline.signal,
      );
      deadline.signal.throwIfAborted();
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (this.#exit !== undefined) throw await this.explainExit();
      if (error !== late) throw error;
      const { member } = this.#options;
      throw await explainSilence(this.#logFile, {
        pid: this.pid,
        member,
        timeoutMs,
      });
    }
    if (this.#state === "starting") this.#transition("serving");
  }

  /** The members of its cluster, as far as its log tells; itself included. */
  async peers(): Promise<readonly LogPeer[]> {
    // Kept, because the log's end is read, and etcd names a member only once.
    this.#peers = peersInLog(await this.#logFile.lines(), this.#peers);
    return [...this.#peers.values()];
  }

  /**
   * Whether it holds its ports, so that what answers there is this etcd.
   *
   * @throws {KatError} if its database cannot be read.
   */
  async holdsPorts(): Promise<boolean> {
    const isLocked = await holdsPort(this.#options.member.dataDir);
    // If it has ended meanwhile, the lock may be the next one's.
    return isLocked && this.#exit === undefined;
  }

  /**
   * Waits until etcd has ended and says why, from its log.
   */
  async explainExit(
    { before }: Pick<ExplainExitOptions, "before"> = {},
  ): Promise<EtcdProcessError> {
    const { member } = this.#options;
    return await explainExit(await this.exited, this.#logFile, {
      before,
      member,
    });
  }

  /**
   * Ends etcd: SIGTERM, the grace time, SIGKILL; resolves when it has ended.
   * Legal in any state and any number of times; the first call's grace holds.
   */
  async stop({ graceMs = GRACE_MS }: StopOptions = {}): Promise<void> {
    if (this.#state !== "stopping" && this.#state !== "exited") {
      this.#transition("stopping");
      this.#send("SIGTERM");
      this.#killTimer = setTimeout(() => {
        log.warn("etcd did not stop in time and is killed", { graceMs });
        this.#send("SIGKILL");
      }, graceMs);
    }
    await this.exited;
    await this.#rotation;
  }

  /** Stops etcd with the usual grace time. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The one place that changes the state. */
  #transition(state: Exclude<EtcdProcessState, "starting">): void {
    const from = this.#state;
    this.#state = state;
    const { pid } = this;
    const fields = { pid, ...this.#exit };
    if (state === "serving") log.info("etcd serves", fields);
    else if (state === "stopping") log.info("Stopping etcd", fields);
    else if (from === "stopping") log.info("etcd stopped", fields);
    else log.warn("etcd ended by itself", fields);
  }

  #send(signal: "SIGTERM" | "SIGKILL"): void {
    // If not, it has ended this moment, and `exited` is about to resolve.
    if (!this.#kill(signal)) log.debug("etcd took no signal", { signal });
  }

  #onExit(exit: EtcdExit): void {
    this.#exitHook[Symbol.dispose]();
    clearTimeout(this.#killTimer);
    clearInterval(this.#logTimer);
    this.#exit = exit;
    this.#transition("exited");
    // At once, before the next etcd can be started and write its own.
    removePidFile(this.#options.pidFile);
    this.#ended.abort();
  }

  #boundLog(): void {
    this.#rotation = this.#rotation
      .then(() => this.#logFile.rotate())
      .catch((error) =>
        log.warn("Cannot bound the log of etcd", { error: String(error) })
      );
  }

  /** An URL it listens on, loopback if there is one. */
  #localUrl(): string {
    const { clientUrls: [first, ...rest], listenClientUrls } =
      this.#options.member;
    const urls = listenClientUrls ?? [first, ...rest];
    return urls.find((url) => isLoopback(hostOf(url))) ?? urls[0] ?? first;
  }
}

function removePidFile(path: string): void {
  try {
    removeOwnSync(dirname(path), basename(path));
  } catch {
    // Never written, or gone; a stale one names a child that does not exist.
  }
}
