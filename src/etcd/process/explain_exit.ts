/**
 * Explains why etcd ended or does not serve, from its log, its disk, and the
 * lock on its data. What the lines of the log mean is left to `diagnose_log`.
 *
 * @module
 */

import { dirname } from "node:path";
import { type DiskSpace, diskSpace } from "../../base/disk_space.ts";
import { programName } from "../../base/process_table.ts";
import { findLockHolder } from "../data/data_dir_lock.ts";
import {
  diagnose,
  diagnoseMismatch,
  type Diagnosis,
  FULL_DISK,
  shorten,
} from "./diagnose_log.ts";
import type { EtcdMember } from "./etcd_flags.ts";
import { withReplacement } from "./replace_member.ts";
import {
  type EtcdExit,
  type EtcdFailure,
  EtcdProcessError,
} from "./etcd_process_error.ts";

/** The log that tells why etcd ended. */
export interface EtcdLogSource {
  /** The file, for the hint to read it. */
  readonly path: string;
  /** Returns its lines since etcd was started. */
  lines(): Promise<string[]>;
}

/** Options of {@linkcode explainExit}. */
export interface ExplainExitOptions {
  /** What the etcd before it, which was started for the same member, ended by. */
  readonly before?: EtcdFailure | undefined;
  /** The member that it was, to say how it is replaced. */
  readonly member?: EtcdMember | undefined;
  /** Reads the space on the disk of a directory; for tests. @default {diskSpace} */
  readonly spaceOf?: (path: string) => Promise<DiskSpace | undefined>;
}

/** The lines of the log that an error shows; they fit on a screen. */
const LAST_LINES = 10;
/** With less space, a disk is full: etcd cannot even write its log. */
const FULL_DISK_BYTES = 1_000_000;
/**
 * With less space, a disk that was full a moment ago still is: etcd reserves a
 * file of this size for its next log, and ends if it cannot.
 */
const NEXT_LOG_BYTES = 64_000_000;

/** Explains why an etcd has ended by itself. */
export async function explainExit(
  exit: EtcdExit,
  log: EtcdLogSource,
  { before, member, spaceOf = diskSpace }: ExplainExitOptions = {},
): Promise<EtcdProcessError> {
  const lines = await log.lines();
  const found = exit.signal === null
    ? diagnose(lines)
    : diagnoseSignal(exit.signal);
  // The log lies on the same disk: when that is full, the reason is not in it.
  const isUnexplained = found.hint === undefined && exit.signal === null;
  const explained = isUnexplained
    ? diagnoseDisk(await spaceOf(dirname(log.path)), before) ?? found
    : found;
  const { failure, why, hint } = member
    ? withReplacement(explained, { member, lines })
    : explained;
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
  // Of an adopted etcd it is not known whether it failed, so that the last line
  // of its log explains nothing.
  if (code === null) {
    return "it ended; its exit code is unknown, because an earlier agent started it";
  }
  return `it ended with exit code ${code}${
    why === undefined ? "" : `: ${why}`
  }`;
}

/** Options of {@linkcode explainSilence}. */
export interface SilenceOptions {
  /** The etcd that runs and does not serve. */
  readonly pid: number;
  /** The member that it is. */
  readonly member: EtcdMember;
  /** How long the agent has waited for it, in milliseconds. */
  readonly timeoutMs: number;
}

/** Explains why an etcd that runs does not serve. */
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

function diagnoseSignal(signal: string): Diagnosis {
  return {
    failure: "unknown",
    why: `it was ended by ${signal}`,
    hint: signal === "SIGKILL"
      ? "If nobody did that on purpose, the machine may have run out of memory: read its kernel log with dmesg"
      : undefined,
  };
}

function diagnoseDisk(
  space: DiskSpace | undefined,
  before: EtcdFailure | undefined,
): Diagnosis | undefined {
  const needed = before === "no-space" ? NEXT_LOG_BYTES : FULL_DISK_BYTES;
  return space === undefined || space.freeBytes >= needed
    ? undefined
    : FULL_DISK;
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
