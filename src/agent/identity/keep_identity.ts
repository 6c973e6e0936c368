/**
 * Keeps `identity.json` up to date, and an eye on the store's coming back as
 * it was when etcd was restarted under a running agent.
 *
 * @module
 */

import { abortable, Deadline } from "../../base/abortable.ts";
import { Backoff } from "../../base/backoff.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
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
  /** Told when the store is not what it was, and, with `undefined`, when it is again. */
  readonly onStepBack?: ((stepBack: StepBack | undefined) => void) | undefined;
  /** What time passes by. @default {systemClock} */
  readonly clock?: Clock | undefined;
}

/** The pause between two looks: one read, and a write only if the store has grown. */
const LOOK_MS = 60_000;
/** What the last look may take, when the agent stops: it is of no use to a store without a majority. */
const LAST_LOOK_MS = 500;
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
  { endpoint, signal }: PositionOptions,
): Promise<void> {
  if (known === undefined) return;
  const pauses = new Backoff({ firstMs: 50, maxMs: 2_000 });
  while (true) {
    try {
      return refuseStepBack(known, await readPosition(endpoint, { signal }));
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

/** Looks now and then; disposing looks once more, for an orderly stop. */
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
   * Writes what is known now, and goes on looking.
   *
   * @throws {KatError} if the store is not what it was.
   */
  static async start(options: KeepIdentityOptions): Promise<IdentityKeeper> {
    const keeper = new IdentityKeeper(options);
    const { endpoint, signal } = options;
    await checkPosition(options.known, { endpoint, signal });
    await keeper.#tryLook(signal);
    keeper.#loop = keeper.#keep();
    return keeper;
  }

  /** Looks a last time, as far as the member still answers. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort(new Error("The agent stops"));
    const timer = setTimeout(() => this.#tooLate.abort(), LAST_LOOK_MS);
    await this.#loop;
    await this.#tryLook();
    clearTimeout(timer);
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock = systemClock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, { signal }).catch(() => {});
      if (!signal.aborted) await this.#tryLook();
    }
  }

  /** A store that does not answer is reported by those who need it. */
  async #tryLook(calledOff?: AbortSignal): Promise<void> {
    const log = logger("agent");
    const signal = calledOff
      ? AbortSignal.any([this.#tooLate.signal, calledOff])
      : this.#tooLate.signal;
    try {
      await this.#look(signal);
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

  async #look(signal: AbortSignal): Promise<void> {
    const { endpoint, write, clusterUid, nodeName, etcdVersion } =
      this.#options;
    const found = await readPosition(endpoint, { signal });
    const stepBack = findStepBack(this.#known, found);
    this.#say(stepBack);
    // What was seen stays on record until somebody decides.
    if (stepBack !== undefined) return;
    const next: Identity = {
      ...found,
      clusterUid,
      nodeName,
      etcdVersion,
      clusterVersion: await this.#clusterVersion(signal),
      raftIndex:
        (await readMemberStatus(endpoint, { signal })).raftAppliedIndex,
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
