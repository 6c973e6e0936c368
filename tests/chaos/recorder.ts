/**
 * What really happened, told by etcd's own client: `etcdctl watch` on each
 * member, from the first revision on. Shares nothing with the product.
 *
 * @module
 */

import { sleep } from "../machine/sleep.ts";
import { jsonLines } from "../machine/json_lines.ts";
import {
  type PrintedEvent,
  toTruth,
  watchAll,
} from "../history/etcdctl_event.ts";
import type { Truth } from "../history/history.ts";

/** What a recorder is made of. */
export interface RecorderSetting {
  /** The member's name in the history. */
  readonly member: string;
  /** Its client URL. */
  readonly endpoint: string;
  /** The first revision to tell. */
  readonly fromRevision: number;
  /** Told of each change. */
  readonly append: (truth: Truth) => void;
}

/** A running recorder; disposing ends it. */
export interface Recorder extends AsyncDisposable {
  /** The member's name in the history. */
  readonly member: string;
  /** The last revision that it has told. */
  readonly revision: number;
  /** Why its record has a gap; undefined if it has none. */
  readonly failure: string | undefined;
}

/** One answer as etcdctl prints it. */
interface Printed {
  readonly Canceled?: boolean;
  readonly CompactRevision?: number;
  readonly Events?: readonly PrintedEvent[] | null;
}

const PAUSE_MS = 200;

/** Starts to record. */
export function startRecorder(setting: RecorderSetting): Recorder {
  const { member, endpoint, append } = setting;
  let revision = setting.fromRevision - 1;
  let failure: string | undefined;
  let stopped = false;
  let child = watchAll(endpoint, revision + 1);

  async function record(): Promise<void> {
    while (!stopped) {
      for await (const line of jsonLines(child.stdout)) {
        const { Events, Canceled, CompactRevision } = line as Printed;
        if (Canceled && CompactRevision) {
          failure ??= `revision ${revision + 1} is compacted`;
        }
        for (const event of Events ?? []) {
          // etcdctl goes on by itself after a lost connection; what a restart repeats is known.
          if (event.kv.mod_revision > revision) {
            append(await toTruth(event, member));
          }
        }
        revision = Math.max(revision, Events?.at(-1)?.kv.mod_revision ?? 0);
      }
      await child.status;
      // A member that stops cancels watches, and etcdctl ends with them.
      if (stopped) return;
      await sleep(PAUSE_MS);
      if (!stopped) child = watchAll(endpoint, revision + 1);
    }
  }

  const recording = record().catch((error) => {
    failure ??= String(error);
  });
  return {
    member,
    get revision() {
      return revision;
    },
    get failure() {
      return failure;
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await recording;
      await child.status;
    },
  };
}
