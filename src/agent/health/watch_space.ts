/**
 * Notices in time that a database nears its quota or a disk its end: once when
 * it begins, once when it is over. It reads, and writes nothing.
 *
 * @module
 */

import { type Clock, systemClock } from "../../base/clock.ts";
import { logger } from "../../base/log.ts";
import { DEFAULT_QUOTA_BYTES } from "../../etcd/process/etcd_flags.ts";
import type { OwnEndpoint } from "../../etcd/client/etcd_client.ts";
import {
  ownErrors,
  statusIfAnswering,
} from "../../etcd/client/member_status.ts";
import type { DiskSpace } from "../../base/disk_space.ts";
import {
  findSpaceTroubles,
  type SpaceFacts,
  type SpaceKind,
  type SpaceTrouble,
} from "../../cluster/space_rules.ts";

/** Options of {@linkcode watchSpace}. */
export interface WatchSpaceOptions {
  /** The client URL of the node's own member. */
  readonly endpoint: string;
  /** Says whether that member holds its port. */
  readonly own?: OwnEndpoint | undefined;
  /** Says how much space the disk of etcd's data has. */
  readonly diskSpace: () => Promise<DiskSpace | undefined>;
  /** The quota that etcd was started with. @default {etcd's own} */
  readonly quotaBytes?: number | undefined;
  /** Takes what is short, after every check. */
  readonly onCheck?: ((troubles: readonly SpaceTrouble[]) => void) | undefined;
  /** What time passes by. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** The pause between two checks: one question to etcd, one to the kernel. */
const CHECK_INTERVAL_MS = 60_000;

const WORDS: Readonly<
  Record<SpaceKind, { readonly begins: string; readonly ends: string }>
> = {
  quota: {
    begins: "The database nears its quota",
    ends: "The database is well below its quota again",
  },
  nospace: {
    begins: "The database is full",
    ends: "The database takes writes again",
  },
  disk: {
    begins: "The disk is nearly full",
    ends: "The disk has space again",
  },
};

/** Checks at once, and then every minute until the signal aborts. */
export async function watchSpace(options: WatchSpaceOptions): Promise<void> {
  const { clock = systemClock, onCheck, signal } = options;
  let known: readonly SpaceTrouble[] = [];
  try {
    while (!signal.aborted) {
      known = await checkSpace(options, known);
      onCheck?.(known);
      await clock.sleep(CHECK_INTERVAL_MS, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function checkSpace(
  { endpoint, own, diskSpace, quotaBytes = DEFAULT_QUOTA_BYTES, signal }:
    WatchSpaceOptions,
  before: readonly SpaceTrouble[],
): Promise<readonly SpaceTrouble[]> {
  const [status, disk] = await Promise.all([
    statusIfAnswering(endpoint, { own, signal }),
    diskSpace(),
  ]);
  const facts: SpaceFacts = {
    quotaBytes,
    ...status,
    isFull: status && ownErrors(status).some((one) => /NOSPACE/.test(one)),
    diskFreeBytes: disk?.freeBytes,
  };
  const kinds = new Set(before.map(({ kind }) => kind));
  const found = findSpaceTroubles(facts, kinds);
  // Of a member that does not answer nothing new is known.
  const unknown = before.filter(({ kind }) =>
    kind === "disk" ? disk === undefined : status === undefined
  );
  const now = [...found, ...unknown];
  const log = logger("agent");
  for (const { kind, why, advice } of now) {
    if (kinds.has(kind)) continue;
    const level = kind === "nospace" ? "error" : "warn";
    log[level](WORDS[kind].begins, { reason: why, advice });
  }
  for (const { kind } of before) {
    if (now.some((one) => one.kind === kind)) continue;
    // `nospace` replaces `quota`: do not log that `quota` ended.
    if (kind === "quota" && now.some((one) => one.kind === "nospace")) continue;
    log.info(WORDS[kind].ends);
  }
  return now;
}
