/**
 * Keeps `identity.json` up to date, and checks that the store comes back as it
 * was when etcd was restarted under a running agent.
 *
 * @module
 */

import { abortable, Deadline } from "../../base/abortable.ts";
import { Backoff } from "../../base/backoff.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { OwnEndpoint } from "../../etcd/client/etcd_client.ts";
import { readClusterVersion } from "../../etcd/client/etcd_health.ts";
import { readMemberStatus } from "../../etcd/client/member_status.ts";
import { readPosition } from "../../etcd/client/store_position.ts";
import { versionText } from "../../etcd/etcd_version.ts";
import { encodeIdentity, type Identity } from "./identity.ts";
import {
  findStepBack,
  refuseStepBack,
  type StepBack,
} from "./refuse_identity.ts";

/** Options of {@linkcode checkPosition}. */
export interface PositionOptions {
  /** The client URL of the node's own member. */
  readonly endpoint: string;
  /** Says whether that member holds its port. */
  readonly own?: OwnEndpoint | undefined;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode IdentityKeeper.start}. */
export interface KeepIdentityOptions extends PositionOptions {
  /** Replaces what is kept. */
  readonly write: (identity: Identity) => Promise<unknown>;
  /** What was kept there when the node started. */
  readonly known: Identity | undefined;
  /** The cluster's UUID. */
  readonly clusterUid: string;
  /** The node's name. */
  readonly nodeName: string;
  /** The etcd that runs. */
  readonly etcdVersion: string;
  /** Called when the store is not what it was, and, with `undefined`, when it is again. */
  readonly onStepBack?: ((stepBack: StepBack | undefined) => void) | undefined;
  /** What time passes by. @default {systemClock} */
  readonly clock?: Clock | undefined;
}

/** The pause between two checks: one read, and a write only if the store has grown. */
const CHECK_INTERVAL_MS = 60_000;
/** What the last check may take when the agent stops: without a majority the store does not answer it. */
const LAST_CHECK_MS = 500;
/** How long the member may take to say the cluster's version. */
const VERSION_MS = 1_000;

/**
 * Asks a member whether it is the one that the node knows, at least as far as
 * it was; waits while it, or a majority, does not answer. To be called before
 * anything is written to the store.
 *
 * @throws {KatError} if it is not.
 */
export async function checkPosition(
  known: Identity | undefined,
  { endpoint, own, signal }: PositionOptions,
): Promise<void> {
  if (known === undefined) return;
  const pauses = new Backoff({ firstMs: 50, maxMs: 2_000 });
  while (true) {
    try {
      return refuseStepBack(
        known,
        await readPosition(endpoint, { own, signal }),
      );
    } catch (error) {
      const again = error instanceof EtcdCallError &&
        error.failure === "unavailable";
      if (!again) throw error;
      logger("agent").debug("Waiting for the store's position", {
        reason: error.message,
      });
      await systemClock.sleep(pauses.nextMs(), { signal });
    }
  }
}

/** Checks the store every minute; disposing checks once more, for an orderly stop. */
export class IdentityKeeper implements AsyncDisposable {
  readonly #options: KeepIdentityOptions;
  readonly #stopping = new AbortController();
  readonly #tooLate = new AbortController();
  #loop: Promise<void> | undefined;
  #known: Identity | undefined;
  #said: string | undefined;
  #failed = false;

  private constructor(options: KeepIdentityOptions) {
    this.#options = options;
    this.#known = options.known;
  }

  /**
   * Writes what is known now, and goes on checking.
   *
   * @throws {KatError} if the store is not what it was.
   */
  static async start(options: KeepIdentityOptions): Promise<IdentityKeeper> {
    const keeper = new IdentityKeeper(options);
    const { endpoint, own, signal } = options;
    await checkPosition(options.known, { endpoint, own, signal });
    await keeper.#tryCheck(signal);
    keeper.#loop = keeper.#keep();
    return keeper;
  }

  /** Checks a last time, as far as the member still answers. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort(new Error("The agent stops"));
    const timer = setTimeout(() => this.#tooLate.abort(), LAST_CHECK_MS);
    await this.#loop;
    await this.#tryCheck();
    clearTimeout(timer);
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock = systemClock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(CHECK_INTERVAL_MS, { signal }).catch(() => {});
      if (!signal.aborted) await this.#tryCheck();
    }
  }

  /** Not reported here: that the store does not answer, which `watchStore` does. */
  async #tryCheck(calledOff?: AbortSignal): Promise<void> {
    const log = logger("agent");
    const signal = calledOff
      ? AbortSignal.any([this.#tooLate.signal, calledOff])
      : this.#tooLate.signal;
    try {
      await this.#check(signal);
      this.#failed = false;
    } catch (error) {
      const reason = messageOf(error);
      const isFile = !(error instanceof EtcdCallError) &&
        !signal.aborted;
      const level = isFile && !this.#failed ? "warn" : "debug";
      log[level]("Cannot keep the identity up to date", { reason });
      this.#failed ||= isFile;
    }
  }

  async #check(signal: AbortSignal): Promise<void> {
    const { endpoint, own, write, clusterUid, nodeName, etcdVersion } =
      this.#options;
    const found = await readPosition(endpoint, { own, signal });
    const stepBack = findStepBack(this.#known, found);
    this.#say(stepBack);
    // What was seen stays on record until a person decides.
    if (stepBack !== undefined) return;
    const next: Identity = {
      ...found,
      clusterUid,
      nodeName,
      etcdVersion,
      clusterVersion: await this.#clusterVersion(signal),
      raftIndex:
        (await readMemberStatus(endpoint, { own, signal })).raftAppliedIndex,
    };
    if (this.#known && encodeIdentity(this.#known) === encodeIdentity(next)) {
      return;
    }
    await abortable(write(next), signal);
    this.#known = next;
  }

  /** What was agreed on before, if the member does not say now. */
  async #clusterVersion(
    signal: AbortSignal,
  ): Promise<string | undefined> {
    using deadline = new Deadline(
      VERSION_MS,
      () => new Error("No answer"),
      [signal],
    );
    const asked = readClusterVersion(this.#options.endpoint, deadline);
    const found = await abortable(asked, deadline.signal)
      .catch(() => undefined);
    return found ? versionText(found) : this.#known?.clusterVersion;
  }

  #say(stepBack: StepBack | undefined): void {
    if (stepBack?.why === this.#said) return;
    const log = logger("agent");
    if (stepBack) {
      log.error("The store is not what it was", {
        reason: stepBack.why,
        hint: stepBack.hint,
      });
    } else log.info("The store is as far as it was");
    this.#said = stepBack?.why;
    this.#options.onStepBack?.(stepBack);
  }
}
