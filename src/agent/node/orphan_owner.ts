/**
 * What the main thread does about an etcd that an earlier agent left running:
 * no other thread may look at other processes and signal them.
 *
 * @module
 */

import { addExitHook } from "../../base/exit_hooks.ts";
import { KatError } from "../../base/errors.ts";
import type { OrphanControl } from "../../etcd/process/adopt_etcd.ts";
import { GRACE_MS } from "../../etcd/process/etcd_process.ts";
import {
  orphanMismatch,
  type WantedEtcd,
} from "../../etcd/process/compare_orphan.ts";
import {
  endOrphan,
  isOrphanRunning,
  killOrphanNow,
  type Orphan,
  signalOrphan,
} from "../../etcd/process/orphan.ts";

/**
 * ```
 *   found ──is what would be started──▶ adopted ──ends──▶ over
 *     └────────── is not, or disposed ────────────────────▲
 * ```
 *
 * Unless the agent is killed, the etcd ends with it: disposing ends it in order,
 * a forced exit at once.
 */
export class OrphanOwner implements OrphanControl, AsyncDisposable {
  readonly #orphan: Orphan;
  readonly #exitHook: Disposable;
  #isOver = false;

  /** Takes charge of an orphan, which runs on. */
  constructor(orphan: Orphan) {
    this.#orphan = orphan;
    this.#exitHook = addExitHook(() => killOrphanNow(orphan));
  }

  /** Its pid. */
  get pid(): number {
    return this.#orphan.pid;
  }

  /**
   * Whether it may go on in the place of the etcd that is wanted; otherwise it
   * has ended when this resolves.
   *
   * @throws {KatError} if it cannot be ended.
   */
  async adoptOrStop(wanted: WantedEtcd): Promise<boolean> {
    const reason = await orphanMismatch(this.#orphan, wanted);
    if (reason === undefined) return true;
    await this.#end(reason);
    return false;
  }

  /** Whether it still runs; true as well while that cannot be known. */
  readonly isRunning = async (): Promise<boolean> => {
    if (this.#isOver) return false;
    try {
      if (await isOrphanRunning(this.#orphan)) return true;
    } catch (error) {
      if (error instanceof KatError) return true;
      throw error;
    }
    this.#finish();
    return false;
  };

  /**
   * Sends it a signal, if it still runs.
   *
   * @throws {KatError} if it may not be signalled.
   */
  readonly signal = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    if (!this.#isOver) await signalOrphan(this.#orphan, signal);
  };

  /** Ends it, if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) await this.#end("this agent ends");
  }

  async #end(reason: string): Promise<void> {
    await endOrphan(this.#orphan, { graceMs: GRACE_MS, reason });
    this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.#exitHook[Symbol.dispose]();
  }
}
