/**
 * Whose files this process believes, and which number root's files have here.
 *
 * In a user namespace without root (`unshare -U --map-current-user`, firejail,
 * bubblewrap, a unit with `PrivateUsers=`) `/` and all that is root's belong to
 * the overflow number 65534. So does what other users own there: the kernel does
 * not tell them apart, and the agent believes them as it believes root.
 *
 * @module
 */

import { runScript } from "../run_script.ts";

/** Whose files and directories are believed. */
export interface Believed {
  /** This user. */
  readonly user: number;
  /** Whom a directory that was checked before belongs to; as believed as this user. */
  readonly owner?: number | undefined;
  /** The number of root's files: 0, or what a user namespace shows instead. */
  readonly root: number;
}

/** Prints the overflow number, then a line for each range of users that this namespace knows. */
const READ_NAMESPACE = "cat /proc/sys/kernel/overflowuid /proc/self/uid_map";

let namespace: Promise<string> | undefined;

/**
 * Finds whom this process believes; `within` is a directory that was checked
 * before. Its owner is believed as well, for root's `status` reads another
 * user's.
 */
export async function believedUsers(
  within: string | undefined,
): Promise<Believed> {
  // No user has this number.
  const user = Deno.uid() ?? -1;
  if (within === undefined) return { user, root: await rootHere() };
  const { uid } = await Deno.lstat(within);
  return { user, owner: uid ?? -1, root: 0 };
}

/** The number of root's files in this user namespace. */
async function rootHere(): Promise<number> {
  const { uid } = await Deno.lstat("/");
  if (uid === null || uid === 0) return 0;
  // Deno itself lets no program that has not all rights read below /proc.
  namespace ??= runScript(READ_NAMESPACE).catch(() => "");
  return unmappedRoot(await namespace) === uid ? uid : 0;
}

/**
 * The overflow number, if the namespace that {@linkcode READ_NAMESPACE} printed
 * knows neither root nor a user of that number; `undefined` if it does.
 */
export function unmappedRoot(printed: string): number | undefined {
  const [overflow = "", ...ranges] = printed.trim().split("\n");
  const number = Number(overflow);
  if (!/^\d+$/.test(overflow) || ranges.length === 0) return undefined;
  const isKnown = ranges.some((range) => {
    const [inside = 0, outside = 0, count = 0] = range.trim().split(/\s+/)
      .map(Number);
    return outside === 0 || (inside <= number && number < inside + count);
  });
  return isKnown ? undefined : number;
}
