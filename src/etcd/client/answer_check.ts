/**
 * Decides whether what a server says is taken for an answer of the cluster.
 *
 * @module
 */

import {
  type Answer,
  hasWritten,
  isBelow,
  wrongShape,
} from "./answer_shape.ts";
import type { ClusterBinding } from "./cluster_binding.ts";
import { AnotherEtcdError, EtcdCallError } from "./etcd_call_error.ts";
import type { EtcdService } from "./etcd_protocol.ts";

/** What was asked. */
export interface Call {
  /** The service. */
  readonly service: EtcdService;
  /** Its method. */
  readonly method: string;
  /** The request. */
  readonly request: unknown;
}

/** How far the store was seen on one connection. */
export interface SeenRevision {
  /** The highest revision that an answer to a read or write has shown, in decimal digits. */
  revision: string;
}

/** Options of {@linkcode AnswerCheck}. */
export interface AnswerCheckOptions {
  /** The client URL that answers. */
  readonly endpoint: string;
  /** The cluster whose answers are taken. */
  readonly cluster: ClusterBinding;
  /**
   * Whether the caller has a member of its own elsewhere: that one alone says
   * which cluster this is, and another cluster here is only a member that is away.
   */
  readonly isPeer: boolean;
}

/** Checks the answers of one member. */
export class AnswerCheck {
  readonly #options: AnswerCheckOptions;

  /** Takes nothing yet. */
  constructor(options: AnswerCheckOptions) {
    this.#options = options;
  }

  /**
   * Takes an answer; from then on it can be relied on. `since` is a revision
   * that `seen` had before the member was asked.
   *
   * @throws {AnotherEtcdError} if it is another cluster's.
   * @throws {EtcdCallError} if it cannot be an answer to what was asked, or is older.
   */
  take(
    answer: unknown,
    { call: { service, method, request }, seen, since }: {
      readonly call: Call;
      readonly seen: SeenRevision;
      readonly since: string;
    },
  ): void {
    const why = wrongShape(method, { request, answer });
    if (why !== undefined) throw this.#wrong(why);
    const { header } = answer as Answer;
    // Defragmenting is answered without one.
    if (header === null) return;
    this.#compare(header, method === "status" ? "not-done" : "unknown");
    if (service !== "KV" || method === "compact") return;
    const { revision } = header;
    const isOld = isBelow(revision, since) ||
      revision === since && hasWritten(method, answer);
    if (isOld) {
      throw this.#wrong(
        `it is of revision ${revision}, and the store has had revision ${since}`,
      );
    }
    if (isBelow(seen.revision, revision)) seen.revision = revision;
  }

  /**
   * Takes a message of a stream.
   *
   * @throws {AnotherEtcdError} if it is another cluster's.
   * @throws {EtcdCallError} if it cannot be a message of that stream.
   */
  takeMessage(message: unknown, method: string): void {
    const why = wrongShape(method, { request: undefined, answer: message });
    if (why !== undefined) throw this.#wrong(why);
    this.#compare((message as Answer).header, "unknown");
  }

  #compare(header: Answer["header"], outcome: EtcdCallError["outcome"]): void {
    const { endpoint, cluster, isPeer } = this.#options;
    try {
      cluster.check(header, { endpoint, outcome, mayBind: !isPeer });
    } catch (error) {
      if (!isPeer || !(error instanceof AnotherEtcdError)) throw error;
      throw new EtcdCallError(error.message, {
        failure: "unavailable",
        outcome,
        endpoint,
        cause: error,
      });
    }
  }

  /** The request may have been done all the same. */
  #wrong(why: string): EtcdCallError {
    const { endpoint } = this.#options;
    return new EtcdCallError(
      `etcd gave no valid answer: ${why} (${endpoint})`,
      { failure: "unavailable", outcome: "unknown", endpoint },
    );
  }
}
