/**
 * Finds in the lines of etcd's log why etcd gave up, with a table of what etcd
 * writes and what that means: pure. What the log does not tell is left to
 * `explain_exit`.
 *
 * @module
 */

import type { EtcdFailure } from "./etcd_process_error.ts";

/** What was recognised in the log. */
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
  "Nothing was deleted. Keep a copy of the data directory, then restore a backup";

/** The first match counts, so the more specific ones stand first. */
const EXPLANATIONS: readonly Explanation[] = [
  {
    pattern: /address already in use/,
    failure: "port-taken",
    why: "a port is taken by another program",
    hint: "End that program; a cluster that exists keeps its ports",
  },
  {
    pattern: /(cannot|can't) assign requested address/,
    failure: "address-missing",
    why: "this machine does not have the address that etcd should listen on",
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
    hint: "Make it writable, or choose another directory with --data-dir",
  },
  {
    pattern: /flag provided but not defined|invalid value .* for flag/,
    failure: "wrong-flag",
    why: "this version of etcd does not know an option that kat-agent gives it",
    hint: "Use a supported version of etcd: see `kat-agent version`",
  },
  {
    pattern: /has already been bootstrapped/,
    failure: "data-lost",
    why: "this cluster has had this member with data, and its data is gone",
    hint:
      "Put back its data directory; this start has left nothing of a new one",
  },
  {
    pattern: /permanently removed from the cluster|must be removed/,
    failure: "removed",
    why: "this member was removed from its cluster",
    hint:
      "Move its data directory away, if this node is no longer to be a member",
  },
  {
    pattern:
      /cluster ID mismatch|member count is unequal|unmatched member|not (?:found )?in the initial cluster|missing (?:from|in) --initial-/i,
    failure: "wrong-cluster",
    why: "its data or its peers belong to another cluster",
    hint:
      "Compare --initial-cluster on all nodes, and check that each data directory belongs to this cluster",
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
    why: "its limit of open files is too low",
    hint: "Raise the limit with ulimit -n, or with LimitNOFILE under systemd",
  },
  {
    pattern: /permission denied|operation not permitted/,
    failure: "no-permission",
    why: "it has no permission for a file or a port",
    hint:
      "Give the file to the user that runs kat-agent, with chown; ports below 1024 need root",
  },
];

/** The most characters that a message quotes of a line; some lines list all settings in several KB. */
const LINE_LENGTH = 500;

/** Finds why the etcd that wrote these lines gave up. */
export function diagnose(lines: readonly string[]): Diagnosis {
  const said = [...removalIn(lines), ...lastWords(lines)];
  for (const { pattern, failure, why, hint } of EXPLANATIONS) {
    const words = said.find((words) => pattern.test(words));
    if (words !== undefined) return { failure, hint, why: `${why} (${words})` };
  }
  return { failure: "unknown", why: said.at(-1), hint: undefined };
}

/** etcd says with a warning only that it was removed, and then ends with other words. */
function removalIn(lines: readonly string[]): readonly string[] {
  return lines.some((line) => REMOVAL_REGEXP.test(line))
    ? ["the member has been permanently removed from the cluster"]
    : [];
}

const REMOVAL_REGEXP =
  /"msg":"data-dir used by this member must be removed"|"error":"the member has been permanently removed from the cluster"/;

/** Finds that members refuse each other, which keep running and trying for ever; `undefined` if they do not. */
export function diagnoseMismatch(
  lines: readonly string[],
): Diagnosis | undefined {
  return lines.some((line) => /cluster ID mismatch/i.test(line))
    ? EXPLANATIONS.find(({ failure }) => failure === "wrong-cluster")
    : undefined;
}

/** Every supported etcd writes this line once, early in its start. */
const START_REGEXP = /"msg":"configuring peer listeners"/;

/**
 * Finds why the etcd that was started last gave up, for a caller that knows only
 * its log. `undefined` if it did not give up, or was killed.
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

/** What etcd, the Go runtime or a shell wrote as it gave up, oldest first. */
function lastWords(lines: readonly string[]): string[] {
  const fatal = lines.map(fatalWords).filter((words) => words !== undefined);
  // Another program, as a script that starts etcd, writes no such line: then its
  // last line is used.
  return (fatal.length > 0 ? fatal : lines.slice(-1)).map(shorten);
}

/** The lines of the Go runtime and of etcd's options, which are not JSON. */
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

/** Cuts a line of the log to the length that a message quotes. */
export function shorten(line: string): string {
  return line.length > LINE_LENGTH ? `${line.slice(0, LINE_LENGTH)}…` : line;
}
