/**
 * Bugs that the simulation must find, as changes of the source.
 *
 * @module
 */

/** One mistake. */
export interface Mutation {
  /** What is done wrong. */
  readonly name: string;
  /** The file in `src`. */
  readonly file: string;
  /** What stands there exactly once. */
  readonly text: string;
  /** What stands there instead. */
  readonly wrong: string;
}

/** Each breaks one promise. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "a lease that counts from the answer",
    file: "store/leadership/lease.ts",
    text: "this.#validity = validFrom(sent, Math.min(ttlMs, this.ttlMs));",
    wrong: "this.#validity = validFrom(readClocks(this.#clock), ttlMs);",
  },
  {
    name: "a lease without a margin",
    file: "store/leadership/lease_validity.ts",
    text: "sent.nowMs + ttlMs - marginMs(ttlMs)",
    wrong: "sent.nowMs + ttlMs",
  },
  {
    name: "a suspension that is never noticed",
    file: "store/leadership/lease_validity.ts",
    text: "suspendedMs > CLOCK_SLACK_MS",
    wrong: "suspendedMs > Infinity",
  },
  {
    name: "a term that only a timer ends",
    file: "store/leadership/term.ts",
    text:
      "    const lost = this.#lease.signal;\n    if (lost.aborted) this.#end(lost.reason);\n",
    wrong: "",
  },
  {
    name: "a leader that never checks its key",
    file: "store/leadership/term.ts",
    text: "Promise.all([this.#watchKey(), this.#pollKey()])",
    wrong: "Promise.resolve()",
  },
  {
    name: "a guarded write without its guard",
    file: "store/leadership/term.ts",
    text: "[this.guard, ...checks]",
    wrong: "[...checks]",
  },
  {
    name: "a resignation before the duties have ended",
    file: "election/election.ts",
    text: "await duties(leadership, over);",
    wrong: "duties(leadership, over);",
  },
  {
    name: "a resignation that keeps the lease",
    file: "store/leadership/term.ts",
    text: "await this.#lease.release({",
    wrong: "await Promise.resolve({",
  },
  {
    name: "a candidate that ends its predecessor's lease",
    file: "store/leadership/candidate.ts",
    text: "await this.#deletion(predecessor.key, predecessor.revision + 1n, {",
    wrong:
      'await this.#port.revokeLease(BigInt(`0x${predecessor.key.split("/").pop()}`), {}); await this.#deletion(predecessor.key, predecessor.revision + 1n, {',
  },
  {
    name: "a renewal whose first error ends the term",
    file: "store/leadership/lease.ts",
    text: 'this.#log.debug("A lease renewal is tried again"',
    wrong:
      'this.#lose("an error"); this.#log.debug("A lease renewal is tried again"',
  },
  {
    name: "a renewal that no majority confirms",
    file: "store/etcd/etcd_keep_alive.ts",
    text: "const terms = [reply.header.raft_term, await this.#confirmed];",
    wrong: "const terms = [reply.header.raft_term];",
  },
  {
    name: "a watch that resumes from now",
    file: "store/etcd/etcd_watch.ts",
    text: "start_revision: this.#start.toString()",
    wrong: 'start_revision: "0"',
  },
  {
    name: "a watch that resumes at the last event",
    file: "store/etcd/etcd_watch.ts",
    text: "this.#next = revision + 1n;",
    wrong: "this.#next = revision;",
  },
  {
    name: "a watch that resumes after the revision in the header",
    file: "store/etcd/etcd_watch.ts",
    text: "this.#next = revision + 1n;",
    wrong: "this.#next = BigInt(response.header.revision) + 1n;",
  },
  {
    name: "a watch that takes a fragment for all of a revision",
    file: "store/etcd/etcd_watch.ts",
    text: "if (!fragment) {",
    wrong: "if (events.length > 0) {",
  },
  {
    name: "a watch that delivers again what it had of a cut revision",
    file: "store/etcd/etcd_watch.ts",
    text: "if (this.#shown >= this.#taken) return true;",
    wrong: "return true;",
  },
  {
    name: "a watch that overlooks its cancellation",
    file: "store/etcd/etcd_watch.ts",
    text:
      "if (response.canceled) throw this.#cancellation(response);\n    const { events",
    wrong: "const { events",
  },
  {
    name: "a watch that waits for ever on a silent stream",
    file: "store/etcd/watch_stream.ts",
    text: "this.#isSilent = true;\n      this[Symbol.dispose]();",
    wrong: "",
  },
];
