/**
 * Finds in etcd's log why it gave up: a table of what etcd says and what that
 * means: pure.
 *
 * @module
 */

import type { EtcdFailure } from "./etcd_process_error.ts";

/** What was recognised; `why` is undefined if nothing was. */
export interface Diagnosis {
  /** The kind of failure. */
  readonly failure: EtcdFailure;
  /** The cause, as a clause; undefined if it was not recognised. */
  readonly why: string | undefined;
  /** What the user can do, as one sentence. */
  readonly hint: string | undefined;
}

/** A diagnosis with a known cause. */
export interface KnownCause extends Diagnosis {
  /** The cause, as a clause. */
  readonly why: string;
  /** What the user can do, as one sentence. */
  readonly hint: string;
}

interface Explanation extends KnownCause {
  /** What etcd writes to its log then. */
  readonly pattern: RegExp;
}

/** There is no space left where etcd writes. */
export const FULL_DISK: KnownCause = {
  failure: "no-space",
  why: "the disk is full",
  hint: "Free space on the disk that holds the data directory",
};

const RESTORE_HINT =
  "Nothing was deleted. Keep a copy of the data directory, then restore a backup, or, if the cluster has other members, join this node anew";

/** First match wins: the more telling stand first. */
const EXPLANATIONS: readonly Explanation[] = [
  {
    pattern: /address already in use/,
    failure: "port-taken",
    why: "a port is taken by another program",
    hint: "End that program, or choose other ports in cluster.kat",
  },
  {
    pattern: /(cannot|can't) assign requested address/,
    failure: "address-missing",
    why: "this machine does not have the address",
    hint: "Give --advertise-address an address of this machine",
  },
  {
    pattern: /no space left on device|disk quota exceeded/,
    ...FULL_DISK,
  },
  {
    pattern: /read-only file system/,
    failure: "read-only",
    why: "the data directory is on a read-only file system",
    hint: "Make it writable, or choose another with --data-dir",
  },
  {
    pattern: /flag provided but not defined|invalid value .* for flag/,
    failure: "wrong-flag",
    why: "this etcd does not know an option it was given",
    hint: "Use a supported version of etcd: see `kat-agent version`",
  },
  {
    pattern:
      /cluster ID mismatch|has already been bootstrapped|member count is unequal|unmatched member|not (?:found )?in the initial cluster|missing (?:from|in) --initial-/i,
    failure: "wrong-cluster",
    why: "its data or its peers belong to another cluster",
    hint:
      "Compare --initial-cluster on all nodes, and check that each data directory is of this cluster",
  },
  {
    pattern: /invalid downgrade|cannot downgrade|cluster cannot be downgraded/i,
    failure: "newer-data",
    why: "its data was written by a newer etcd",
    hint: "Use the etcd version that wrote the data directory, or a newer one",
  },
  {
    pattern:
      /crc mismatch|proto: (?:Record: )?(?:illegal|wrong|unexpected|wiretype)|invalid database|meta pages? (?:are|is)? ?invalid|checksum error|wal: (?:file not found|slice bounds|max entry size|snapshot mismatch)|failed to (?:find|recover|open|load|read) (?:database|v[23] backend|WAL|snapshot)|tocommit\(\d+\) is out of range|cannot use none as id|freepages|unexpected fault address|page \d+: |corrupt/i,
    failure: "damaged",
    why: "its data is damaged",
    hint: RESTORE_HINT,
  },
  {
    pattern: /too many open files|file descriptor limit/i,
    failure: "unknown",
    why: "it may open too few files",
    hint: "Raise the limit: ulimit -n, or LimitNOFILE under systemd",
  },
  {
    pattern: /permission denied|operation not permitted/,
    failure: "no-permission",
    why: "no permission",
    hint:
      "Check the owner of the data directory, and the right to use ports below 1024",
  },
];

/** A line of etcd's log can be several KB of settings. */
const LINE_LENGTH = 500;

/** Says why the etcd that wrote these lines gave up. */
export function diagnose(lines: readonly string[]): Diagnosis {
  const said = lastWords(lines);
  for (const { pattern, failure, why, hint } of EXPLANATIONS) {
    const words = said.find((words) => pattern.test(words));
    if (words !== undefined) return { failure, hint, why: `${why} (${words})` };
  }
  return { failure: "unknown", why: said.at(-1), hint: undefined };
}

/** Members that refuse each other go on trying for ever. */
export function diagnoseMismatch(
  lines: readonly string[],
): Diagnosis | undefined {
  return lines.some((line) => /cluster ID mismatch/i.test(line))
    ? EXPLANATIONS.find(({ failure }) => failure === "wrong-cluster")
    : undefined;
}

/** Every supported etcd says this early in its life, and once. */
const START_REGEXP = /"msg":"configuring peer listeners"/;

/**
 * Says, from the lines of a log, why the etcd that was started last gave up:
 * for who only has its log. `undefined` if it did not, or was killed.
 */
export function explainLastEnd(
  lines: readonly string[],
): { readonly why: string; readonly hint: string | undefined } | undefined {
  const start = lines.findLastIndex((line) => START_REGEXP.test(line));
  const fatal = lines.slice(Math.max(0, start))
    .filter((line) => fatalWords(line) !== undefined);
  if (fatal.length === 0) return undefined;
  const { why, hint } = diagnose(fatal);
  return why === undefined ? undefined : { why, hint };
}

/** What etcd, the Go runtime or a shell said as it gave up, oldest first. */
function lastWords(lines: readonly string[]): string[] {
  const fatal = lines.map(fatalWords).filter((words) => words !== undefined);
  // A program that is not etcd's writes no such line: its last one must do.
  return (fatal.length > 0 ? fatal : lines.slice(-1)).map(shorten);
}

const PLAIN_REGEXP =
  /^(?:panic: |fatal error: |flag provided but not defined|invalid value |error verifying flags)/;

function fatalWords(line: string): string | undefined {
  if (PLAIN_REGEXP.test(line)) return line;
  try {
    const { level, msg, error } = JSON.parse(line);
    if (level !== "fatal" && level !== "panic") return undefined;
    return typeof error === "string" ? `${msg}: ${error}` : String(msg);
  } catch {
    return undefined;
  }
}

/** A line of the log, cut to what fits a message. */
export function shorten(line: string): string {
  return line.length > LINE_LENGTH ? `${line.slice(0, LINE_LENGTH)}…` : line;
}
