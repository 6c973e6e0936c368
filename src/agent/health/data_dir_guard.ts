/**
 * Notices that a data directory is no longer there: removed, moved away,
 * unmounted or mounted over. A program with open files in it notices nothing by
 * itself, and etcd goes on answering for a while.
 *
 * @module
 */

import { abortable } from "../../base/abortable.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { KatError } from "../../base/errors.ts";
import { entryAt } from "../../base/files/checked_path.ts";
import { databaseIn } from "../../etcd/data/etcd_data_dir.ts";
import type { DataPaths } from "../data_directory.ts";

/** Options of {@linkcode DataDirGuard.untilLost}. */
export interface GuardOptions {
  /** What time passes by. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** The pause between two looks, each of which reads four names from the kernel's memory. */
const LOOK_INTERVAL_MS = 1_000;
/** How long after a look that finds something missing the next one decides. */
const SECOND_LOOK_MS = 100;

type Found = Deno.FileInfo | undefined | "unknown";

/** A data directory as it was when the node took it. */
export class DataDirGuard {
  readonly #paths: DataPaths;
  readonly #root: Found;
  readonly #etcd: Found;
  #hadDatabase = false;

  private constructor(paths: DataPaths, root: Found, etcd: Found) {
    this.#paths = paths;
    this.#root = root;
    this.#etcd = etcd;
  }

  /** Remembers which directories these are. They have to be there, and the agent's lock is held. */
  static async take(paths: DataPaths): Promise<DataDirGuard> {
    return new DataDirGuard(
      paths,
      await look(paths.root),
      await look(paths.etcd),
    );
  }

  /** Says what is missing, as a clause; `undefined` if all is there. */
  async findLoss(): Promise<string | undefined> {
    const { root: path, record: recordPath, etcd: etcdPath } = this.#paths;
    const [root, record, etcd, database] = await Promise.all([
      look(path),
      look(recordPath),
      look(etcdPath),
      look(databaseIn(etcdPath)),
    ]);
    const isOther = (found: Found, before: Found) =>
      isEntry(found) && isEntry(before) &&
      (found.ino !== before.ino || found.dev !== before.dev);
    if (root === undefined) return "it is gone";
    if (isOther(root, this.#root)) {
      return "another directory is in its place: it was moved, unmounted or mounted over";
    }
    if (record === undefined) return "node.json is gone from it";
    if (etcd === undefined) return "etcd's data is gone from it";
    if (isOther(etcd, this.#etcd)) {
      return "another directory is in the place of etcd's data";
    }
    if (database === undefined && this.#hadDatabase) {
      return "etcd's database is gone from it";
    }
    this.#hadDatabase ||= isEntry(database);
    return undefined;
  }

  /**
   * Refuses to go on without the directory: what is written now would lie in
   * another one.
   *
   * @throws {KatError} if something is missing.
   */
  async assertThere(): Promise<void> {
    const why = await this.findLoss();
    if (why !== undefined) {
      throw new KatError(
        `Cannot use the data directory "${this.#paths.root}": ${why}`,
      );
    }
  }

  /** Looks every second; resolves with what is missing once two looks agree. Rejects when the signal aborts. */
  async untilLost({ clock = systemClock, signal }: GuardOptions): Promise<
    string
  > {
    while (true) {
      await clock.sleep(LOOK_INTERVAL_MS, { signal });
      if (await abortable(this.findLoss(), signal) === undefined) continue;
      await clock.sleep(SECOND_LOOK_MS, { signal });
      const why = await abortable(this.findLoss(), signal);
      if (why !== undefined) return why;
    }
  }
}

/** What has a name; `unknown` if the kernel does not say, as for a disk that fails. */
async function look(path: string): Promise<Found> {
  try {
    return await entryAt(path);
  } catch {
    return "unknown";
  }
}

function isEntry(found: Found): found is Deno.FileInfo {
  return found !== undefined && found !== "unknown";
}
