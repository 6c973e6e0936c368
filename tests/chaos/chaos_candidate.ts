/**
 * A candidate of the election that tells whether it believes to lead, does
 * guarded writes while it does, and tries some when it no longer does.
 *
 * It runs the product's own campaign loop. It can be told to block its event
 * loop; if it leads, it does so where a guarded write is about to leave.
 *
 * @module
 */

import { sleep } from "../machine/sleep.ts";
import { runElection } from "../../src/election/election.ts";
import {
  AnotherClusterError,
  type Leadership,
  LeadershipLostError,
  type Op,
  ResignedError,
  StoreError,
} from "../../src/store/state_store.ts";
import { jsonLines, sayLine } from "../machine/json_lines.ts";
import type { HistoryRecord } from "../history/history.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";
import { Random } from "../simulation/random.ts";
import { RecordingStore } from "./recording_store.ts";

/** What a candidate is told first. */
export interface CandidateSetting {
  /** Its name, and its leader ID. */
  readonly name: string;
  /** Unique among all lives of all candidates. */
  readonly process: string;
  /** Client URLs of the members, the nearest first. */
  readonly endpoints: readonly string[];
  /** The lease to ask for, in seconds. */
  readonly leaseSeconds: number;
  /** Where its choices come from. */
  readonly seed: number;
}

/** What a candidate can be told. */
export type CandidateCommand =
  | { readonly block: number }
  | { readonly tell: "clock" };

/** What a candidate says besides records. */
export type CandidateNote =
  /** It blocked its event loop for this long. */
  | { readonly type: "blocked"; readonly ms: number; readonly led: boolean }
  /** What its wall clock says, in milliseconds since 1970. */
  | { readonly type: "clock"; readonly ms: number }
  /** A term ended; `byChoice` when it resigned. */
  | {
    readonly type: "over";
    readonly at_ns: number;
    readonly token: number;
    readonly byChoice: boolean;
  };

/** How often it records whether it believes to lead, in milliseconds. */
const PROBE_MS = 50;
/** The pause between two guarded writes, in milliseconds. */
const ACT_MS = 100;
const WRITE_MS = 2_000;
/** The pause after another etcd has answered, in milliseconds. */
const ELSEWHERE_MS = 250;
/** Keys change each minute, so that no key's history grows too long to check. */
const EPOCH_NS = 30e9;

/** One life of a candidate. */
class ChaosCandidate {
  readonly #setting: CandidateSetting;
  readonly #random: Random;
  readonly #store: RecordingStore;
  #term: Leadership | undefined;
  #acts = 0;
  #blockMs = 0;

  constructor(setting: CandidateSetting) {
    this.#setting = setting;
    this.#random = new Random(setting.seed);
    this.#store = new RecordingStore({
      endpoints: setting.endpoints,
      process: setting.process,
      append: sayLine,
      announce: true,
      beforeGuarded: () => {
        if (this.#blockMs > 0) this.#standStill(this.#blockMs, true);
      },
    });
  }

  /** Campaigns, leads, resigns now and then, until told to stop. */
  async run(signal: AbortSignal): Promise<void> {
    const probing = setInterval(() => this.#probe(), PROBE_MS);
    try {
      while (!signal.aborted) {
        const enough = new AbortController();
        await runElection(this.#store, {
          leaderId: this.#setting.name,
          leaseTtlSeconds: this.#setting.leaseSeconds,
          signal: AbortSignal.any([signal, enough.signal]),
          duties: (leadership, over) => this.#lead(leadership, over, enough),
        }).catch(async (error) => {
          if (!(error instanceof AnotherClusterError)) throw error;
          await sleep(ELSEWHERE_MS, signal);
        });
      }
    } finally {
      clearInterval(probing);
      await this.#store.close();
    }
  }

  /** Stands still for a while; if it leads, when a write is about to leave. */
  block(ms: number): void {
    if (this.#believes()) this.#blockMs = ms;
    else this.#standStill(ms, false);
  }

  async #lead(
    leadership: Leadership,
    over: AbortSignal,
    enough: AbortController,
  ): Promise<void> {
    this.#term = leadership;
    this.#store.actingTerm = leadership;
    this.#probe();
    const ttlMs = this.#setting.leaseSeconds * 1_000;
    const untilNs = monotonicNs() + this.#random.next() * 3 * ttlMs * 1e6;
    while (!over.aborted) {
      await this.#act(leadership);
      await sleep(ACT_MS, over);
      if (monotonicNs() > untilNs) enough.abort();
    }
    const byChoice = !leadership.signal.aborted ||
      leadership.signal.reason instanceof ResignedError;
    const token = Number(leadership.fence);
    if (this.#blockMs > 0) this.#standStill(this.#blockMs, false);
    // Whatever it believed until here, it no longer does: resigned or lost.
    this.#term = undefined;
    sayLine({ type: "over", at_ns: monotonicNs(), token, byChoice });
    this.#probe();
    // A resigning leader still holds its key: then this write is not stale yet.
    if (!byChoice) await this.#actStale(leadership);
    this.#store.actingTerm = undefined;
  }

  /** One guarded step: a number that only a leader raises, and a range that no other leader may get. */
  async #act(leadership: Leadership): Promise<void> {
    const epoch = Math.floor(monotonicNs() / EPOCH_NS);
    const key = `/chaos/guarded/${epoch}`;
    const tag = `${this.#setting.process}:g${this.#acts++}`;
    try {
      const now = await this.#store.get(key, { timeoutMs: WRITE_MS });
      const number = now ? Number(text(now.value).split("|")[0]) + 1 : 1;
      if (!this.#probe()) return;
      if (this.#blockMs > 0 || this.#random.chance(0.3)) {
        // Nothing but the guard can keep this one from being written too late.
        const word = { type: "put", key: `${key}/word`, value: bytes(tag) };
        await leadership.doTransaction([], [word as Op], {
          timeoutMs: WRITE_MS,
        });
        return;
      }
      await leadership.doTransaction(
        [{ key, expectedVersion: now?.version ?? 0n }, {
          key: `${key}/range/${number}`,
          expectedVersion: 0n,
        }],
        [
          { type: "put", key, value: bytes(`${number}|${tag}`) },
          { type: "put", key: `${key}/range/${number}`, value: bytes(tag) },
        ],
        { timeoutMs: WRITE_MS },
      );
    } catch (error) {
      if (error instanceof StoreError || error instanceof LeadershipLostError) {
        return;
      }
      throw error;
    }
  }

  /** What a deposed leader that does not know better would do. */
  async #actStale(leadership: Leadership): Promise<void> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const tag = `${this.#setting.process}:g${this.#acts++}`;
      const key = `/chaos/stale/${tag}`;
      try {
        await this.#store.doTransaction(
          [leadership.guard],
          [{ type: "put", key, value: bytes(tag) }],
          [],
          { timeoutMs: WRITE_MS },
        );
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
      }
    }
  }

  #believes(): boolean {
    return this.#term !== undefined && !this.#term.signal.aborted;
  }

  /** Records whether it believes to lead at this moment. */
  #probe(): boolean {
    const asked_ns = monotonicNs();
    const leads = this.#believes();
    const answered_ns = monotonicNs();
    const token = leads ? this.#term?.fence : undefined;
    sayLine(
      {
        type: "probe",
        node: this.#setting.process,
        asked_ns,
        answered_ns,
        leads,
        ...(token === undefined ? {} : { token: Number(token) }),
      } satisfies HistoryRecord,
    );
    return leads;
  }

  #standStill(ms: number, led: boolean): void {
    this.#blockMs = 0;
    const start = monotonicNs();
    while (monotonicNs() - start < ms * 1e6) {
      // Nothing else gets a turn.
    }
    sayLine({ type: "blocked", ms: (monotonicNs() - start) / 1e6, led });
  }
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

if (import.meta.main) {
  // A terminal's Ctrl-C is for the parent, which closes stdin.
  Deno.addSignalListener("SIGINT", () => {});
  const stop = new AbortController();
  const lines = jsonLines(Deno.stdin.readable);
  const { value: setting } = await lines.next();
  const candidate = new ChaosCandidate(setting as CandidateSetting);
  const running = candidate.run(stop.signal);
  running.catch(() => {
    Deno.exit(70);
  });
  for await (const line of lines) {
    const command = line as CandidateCommand;
    if ("block" in command) candidate.block(command.block);
    else sayLine({ type: "clock", ms: Date.now() });
  }
  stop.abort(new Error("The candidate was told to stop"));
  await running;
  Deno.exit(0);
}
