/**
 * Why etcd does not run, in plain words, found in what it wrote to its log.
 *
 * @module
 */

import { findLockHolder } from "../data/data_dir_lock.ts";
import {
  diagnose,
  diagnoseMismatch,
  type Diagnosis,
  shorten,
} from "./diagnose_log.ts";
import type { EtcdMember } from "./etcd_flags.ts";
import { type EtcdExit, EtcdProcessError } from "./etcd_process_error.ts";
import { programName } from "../../base/process_table.ts";

/** The log that an explanation is looked for in. */
export interface EtcdLogSource {
  /** Where it is, for who wants to read more. */
  readonly path: string;
  /** Returns its lines since etcd was started. */
  lines(): Promise<string[]>;
}

/** What is shown of the log, for one look without scrolling. */
const LAST_LINES = 10;

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
