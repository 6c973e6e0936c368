/**
 * A candidate as a process that faults end and start again.
 *
 * @module
 */

import type {
  CandidateCommand,
  CandidateNote,
  CandidateSetting,
} from "./chaos_candidate.ts";
import { type ChildProgram, startChild } from "./child_program.ts";
import type { HistoryRecord, Operation } from "../history/history.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";

/** Options of {@linkcode CandidateProcess}. */
export interface CandidateOptions
  extends Omit<CandidateSetting, "process" | "seed"> {
  /** Where its choices come from, life after life. */
  readonly seed: () => number;
  /** A command that becomes the candidate, as one that enters a network. */
  readonly prefix?: readonly string[];
  /** Told of each record, operations when they are over. */
  readonly append: (record: HistoryRecord) => void;
  /** Told when a term ended. */
  readonly onOver: (note: CandidateNote & { readonly type: "over" }) => void;
}

/** What a candidate answers to a command. */
export type CandidateAnswer = Exclude<CandidateNote, { readonly type: "over" }>;

/** A candidate that faults are done to. */
export class CandidateProcess implements AsyncDisposable {
  /** What it did that no fault explains. */
  readonly incidents: string[] = [];
  readonly #options: CandidateOptions;
  /** Operations that it announced and has not ended yet. */
  readonly #open = new Map<string, Operation>();
  #child: ChildProgram | undefined;
  #lives = 0;
  #ending = false;
  /** Callers that wait for an answer, by its type. */
  readonly #waiting = new Map<string, (answer: CandidateAnswer) => void>();

  /** A candidate that is not started yet. */
  constructor(options: CandidateOptions) {
    this.#options = options;
  }

  /** Its name, and its leader ID. */
  get name(): string {
    return this.#options.name;
  }

  /** The name of its present life in the history. */
  get process(): string {
    return `${this.name}#${this.#lives}`;
  }

  /** The process's ID. @throws {Error} if there is none. */
  get pid(): number {
    if (!this.#child) throw new Error(`${this.name} is not started`);
    return this.#child.pid;
  }

  /** Starts it. */
  start(): void {
    const { name, endpoints, leaseSeconds, prefix = [], seed } = this.#options;
    this.#lives++;
    const setting: CandidateSetting = {
      name,
      process: this.process,
      endpoints,
      leaseSeconds,
      seed: seed(),
    };
    this.#ending = false;
    const child = startChild("chaos_candidate.ts", {
      setting,
      prefix,
      onLine: (line) => this.#take(line as HistoryRecord | CandidateNote),
    });
    this.#child = child;
    child.ended.then((code) => {
      if (this.#ending) return;
      this.incidents.push(`candidate ${name} ended by itself with ${code}`);
    });
  }

  /** Kills it and waits for its end. */
  async kill(): Promise<void> {
    this.#ending = true;
    this.#child?.kill("SIGCONT");
    this.#child?.kill("SIGKILL");
    await this.#child?.ended;
    // What was under way may have been done.
    for (const operation of this.#open.values()) {
      this.#options.append({ ...operation, return_ns: monotonicNs() });
    }
    this.#open.clear();
  }

  /**
   * Tells it something and resolves with its answer, which takes as long as it
   * stands still; with undefined if it ends before.
   */
  async ask(command: CandidateCommand): Promise<CandidateAnswer | undefined> {
    const answer = Promise.withResolvers<CandidateAnswer>();
    this.#waiting.set("block" in command ? "blocked" : "clock", answer.resolve);
    this.#child?.tell(command);
    const gone = this.#child?.ended.then(() => undefined);
    return await Promise.race([answer.promise, gone]);
  }

  /** Ends it in order. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    await this.#child?.[Symbol.asyncDispose]();
    await this.kill();
  }

  #take(line: HistoryRecord | CandidateNote): void {
    if (line.type === "blocked" || line.type === "clock") {
      return this.#waiting.get(line.type)?.(line);
    }
    if (line.type === "over") return this.#options.onOver(line);
    if (line.type !== "op") return this.#options.append(line);
    if (line.return_ns === null) {
      this.#open.set(line.id, line);
    } else {
      this.#open.delete(line.id);
      this.#options.append(line);
    }
  }
}
