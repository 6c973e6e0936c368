/**
 * Notices when the store cannot be reached, says what is missing, and says
 * when it is back.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { logger } from "../../base/log.ts";
import type { InitialMember } from "../../config/node_settings.ts";
import { SCHEMA_VERSION_KEY } from "../../store/keys.ts";
import {
  AnotherClusterError,
  type StateStore,
  StoreError,
} from "../../store/state_store.ts";
import { addedMembers, type AddedMembersOptions } from "./added_members.ts";
import { missingPeers } from "./missing_peers.ts";

/** Options of {@linkcode watchStore}. */
export interface ReachabilityOptions {
  /** The node that checks. */
  readonly nodeName: string;
  /** The members of the cluster; none if this node runs none of them. */
  readonly members: readonly InitialMember[];
  /** The node's own member, which knows of members that were added; none if it runs none. */
  readonly space?: Omit<AddedMembersOptions, "signal"> | undefined;
  /** Takes the result of every check: which members the store waits for, or why it cannot be reached; `undefined` if it can. */
  readonly onCheck?: ((trouble: string | undefined) => void) | undefined;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** The pause between two checks: one read each, which etcd answers from memory. */
const CHECK_INTERVAL_MS = 5_000;
/** How long an answer may take before the store counts as unreachable. */
const ANSWER_MS = 3_000;

/**
 * Checks until the signal aborts; logs each change once.
 *
 * @throws {AnotherClusterError} if another cluster answers.
 */
export async function watchStore(
  store: StateStore,
  { nodeName, members, space, onCheck, signal }: ReachabilityOptions,
): Promise<void> {
  const log = logger("agent");
  let said: string | undefined;
  try {
    while (true) {
      await systemClock.sleep(CHECK_INTERVAL_MS, { signal });
      try {
        await store.get(SCHEMA_VERSION_KEY, { signal, timeoutMs: ANSWER_MS });
        if (said !== undefined) log.info("The store can be reached again");
        said = undefined;
        onCheck?.(undefined);
      } catch (error) {
        if (error instanceof AnotherClusterError) throw error;
        if (!(error instanceof StoreError)) throw error;
        const missing = await missingPeers(members, { nodeName, signal });
        if (space !== undefined) {
          missing.push(...await addedMembers(members, { ...space, signal }));
        }
        const waitsFor = missing.join(", ");
        if (waitsFor !== said) {
          log.warn("The store cannot be reached", {
            waitsFor: waitsFor === "" ? undefined : waitsFor,
            reason: error.message,
          });
        }
        said = waitsFor;
        onCheck?.(waitsFor === "" ? error.message : `waiting for ${waitsFor}`);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
