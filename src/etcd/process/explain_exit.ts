/**
 * Why etcd does not run, in plain words, found in what it wrote to its log.
 *
 * @module
 */

import { findLockHolder } from "../data/etcd_data_dir.ts";
import type { EtcdMember } from "./etcd_flags.ts";
import {
  type EtcdExit,
  type EtcdFailure,
  EtcdProcessError,
} from "./etcd_process_error.ts";
import { programName } from "../../base/process_table.ts";

/** The log that an explanation is looked for in. */
export interface EtcdLogSource {
  /** Where it is, for who wants to read more. */
  readonly path: string;
  /** Returns its lines since etcd was started. */
  lines(): Promise<string[]>;
}

/** What was recognised; `why` is undefined if nothing was. */
interface Diagnosis {
  readonly failure: EtcdFailure;
  readonly why: string | undefined;
  readonly hint: string | undefined;
}

interface Explanation {
  readonly pattern: RegExp;
  readonly failure: EtcdFailure;
  readonly why: string;
  readonly hint: string;
}

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
    failure: "no-space",
    why: "the disk is full",
    hint: "Free space on the disk that holds the data directory",
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

/** What is shown of the log, for one look without scrolling. */
const LAST_LINES = 10;
/** A line of etcd's log can be several KB of settings. */
const LINE_LENGTH = 500;

/** Says why an etcd has ended by itself. */
export async function explainExit(
  exit: EtcdExit,
  log: EtcdLogSource,
): Promise<EtcdProcessError> {
  const lines = await log.lines();
  const { failure, why, hint } = exit.signal === null
    ? diagnose(lines)
    : diagnoseSignal(exit.signal);
  const words = wordsFor(exit, { failure, why });
  return new EtcdProcessError(`Cannot run etcd: ${words}`, {
    failure,
    why: words,
    hint: hint ?? `Read its log: ${log.path}`,
    etcdExit: exit,
    lastLines: lines.slice(-LAST_LINES).map(shorten),
  });
}

function wordsFor(
  { code, signal }: EtcdExit,
  { failure, why }: Pick<Diagnosis, "failure" | "why">,
): string {
  if (failure !== "unknown" || signal !== null) return why ?? "";
  // The last line of a log says little if it is not even known that it failed.
  if (code === null) return "it ended, how is known to nobody";
  return `it ended with exit code ${code}${
    why === undefined ? "" : `: ${why}`
  }`;
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

/** Options of {@linkcode explainSilence}. */
export interface SilenceOptions {
  /** The child that runs and does not serve. */
  readonly pid: number;
  /** What it was started as. */
  readonly member: EtcdMember;
  /** How long it was waited for, in milliseconds. */
  readonly timeoutMs: number;
}

/** Says why an etcd that runs does not serve. */
export async function explainSilence(
  log: EtcdLogSource,
  { pid, member, timeoutMs }: SilenceOptions,
): Promise<EtcdProcessError> {
  const lines = await log.lines();
  const { failure, why, hint } = await diagnoseLock(pid, member.dataDir) ??
    diagnoseMismatch(lines) ?? diagnosePeers(member);
  const because = why === undefined ? "" : `: ${why}`;
  const words = `it does not serve after ${timeoutMs / 1_000} s${because}`;
  return new EtcdProcessError(
    `Cannot run etcd: ${words}`,
    {
      failure,
      why: words,
      hint: hint ?? `Read its log: ${log.path}`,
      lastLines: lines.slice(-LAST_LINES).map(shorten),
    },
  );
}

function diagnose(lines: readonly string[]): Diagnosis {
  const said = lastWords(lines);
  for (const { pattern, failure, why, hint } of EXPLANATIONS) {
    const words = said.find((words) => pattern.test(words));
    if (words !== undefined) return { failure, hint, why: `${why} (${words})` };
  }
  return { failure: "unknown", why: said.at(-1), hint: undefined };
}

function diagnoseSignal(signal: string): Diagnosis {
  return {
    failure: "unknown",
    why: `it was ended by ${signal}`,
    hint: signal === "SIGKILL"
      ? "If nobody did that on purpose, the machine may have run out of memory: see its kernel log"
      : undefined,
  };
}

async function diagnoseLock(
  pid: number,
  dataDir: string,
): Promise<Diagnosis | undefined> {
  const holder = await findLockHolder(dataDir, { except: pid });
  return holder && {
    failure: "locked",
    why: `process ${holder.pid} (${programName(holder)}) uses ${
      JSON.stringify(dataDir)
    }`,
    hint: "End that process, or choose another directory with --data-dir",
  };
}

/** Members that refuse each other go on trying for ever. */
export function diagnoseMismatch(
  lines: readonly string[],
): Diagnosis | undefined {
  return lines.some((line) => /cluster ID mismatch/i.test(line))
    ? EXPLANATIONS.find(({ failure }) => failure === "wrong-cluster")
    : undefined;
}

function diagnosePeers({ name, initialCluster }: EtcdMember): Diagnosis {
  const peers = initialCluster.filter((member) => member.name !== name)
    .map((member) => `${member.name} (${member.peerUrl})`);
  return peers.length === 0
    ? { failure: "deadline", why: undefined, hint: undefined }
    : {
      failure: "deadline",
      why: `it waits for a majority with ${peers.join(", ")}`,
      hint: "Start the other nodes, and check that they reach each other",
    };
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

function shorten(line: string): string {
  return line.length > LINE_LENGTH ? `${line.slice(0, LINE_LENGTH)}…` : line;
}
