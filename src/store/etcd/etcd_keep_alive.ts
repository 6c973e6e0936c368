/**
 * Renewals of a lease that count only if a majority of etcd's members confirms them.
 *
 * etcd's leader renews leases by itself. A leader that was cut off does so for
 * up to two election time-outs, while the other members have elected another
 * that knows nothing of these renewals: it ends the lease one TTL and its own
 * election time-out after its term began. If all members have the same time-out,
 * that is just late enough. If they differ, as while the time-out is changed,
 * two candidates believed to lead at once.
 *
 * So each renewal is sent together with a read that needs a majority, to the
 * same member. If both are answered in the raft term that the member was in
 * before, the member that renewed was the leader when the read was confirmed,
 * after both were sent: any later leader began after that, and grants at least
 * one TTL from then on. That does not depend on any time-out.
 *
 * @module
 */

import type {
  ILeaseKeepAliveRequest,
  ILeaseKeepAliveResponse,
} from "etcd3/lib/rpc.js";
import type {
  EtcdClient,
  MemberStream,
} from "../../etcd/client/etcd_client.ts";
import { EMPTY_READ } from "../../etcd/client/store_position.ts";
import { idempotent } from "./etcd_errors.ts";
import type { KeepAlive } from "../leadership/election_port.ts";
import { StoreUnavailableError } from "../state_store.ts";

/** Options of {@linkcode EtcdKeepAlive.open}. */
export interface EtcdKeepAliveOptions {
  /** Ends the stream and what is asked meanwhile. */
  readonly signal?: AbortSignal | undefined;
  /** How long each answer may take, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

type Member = MemberStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

/** What every answer begins with. */
interface Answer {
  readonly header: { readonly raft_term: string };
}

/** One stream of renewals to one member. */
export class EtcdKeepAlive implements KeepAlive {
  readonly #id: string;
  readonly #member: Member;
  readonly #options: EtcdKeepAliveOptions;
  /** A single member is its own majority; its answer must not wait for its database. */
  #alone = true;
  #term = "";
  #confirmed: Promise<string> | undefined;

  private constructor(
    id: bigint,
    member: Member,
    options: EtcdKeepAliveOptions,
  ) {
    this.#id = id.toString();
    this.#member = member;
    this.#options = options;
  }

  /**
   * Opens a stream to a member that reaches a majority.
   *
   * @throws {StoreUnavailableError} if none is found in time.
   */
  static async open(
    client: EtcdClient,
    id: bigint,
    options: EtcdKeepAliveOptions,
  ): Promise<EtcdKeepAlive> {
    return await idempotent("renew a lease", async () => {
      const member: Member = await client.memberStream(
        "Lease",
        "leaseKeepAlive",
        options,
      );
      const renewals = new EtcdKeepAlive(id, member, options);
      try {
        renewals.#term = await renewals.#confirm();
        return renewals;
      } catch (error) {
        renewals[Symbol.dispose]();
        // The next try begins with another member.
        client.preferNextMember();
        throw error;
      }
    });
  }

  /** Asks for a renewal and for the majority's confirmation. */
  renew(): void {
    this.#member.stream.write({ ID: this.#id });
    this.#confirmed = this.#confirm();
    // `next` awaits it, unless the renewal fails before.
    this.#confirmed.catch(() => {});
  }

  async next(): Promise<number> {
    return await idempotent("renew a lease", async () => {
      const reply = await this.#member.stream.next();
      if (reply === undefined) {
        throw new StoreUnavailableError("The renewal stream ended");
      }
      if (reply.ID !== this.#id) {
        throw new StoreUnavailableError("Another lease was renewed");
      }
      const terms = [reply.header.raft_term, await this.#confirmed];
      if (terms.some((term) => term !== this.#term)) {
        throw new StoreUnavailableError("etcd's leader changed meanwhile");
      }
      return Number(reply.TTL) * 1_000;
    });
  }

  /** Ends the stream. */
  [Symbol.dispose](): void {
    this.#member.stream[Symbol.dispose]();
  }

  /** Resolves with the member's raft term once it has heard from a majority. */
  async #confirm(): Promise<string> {
    if (this.#alone) {
      const { header, members } = await this.#member.ask<
        Answer & { readonly members: readonly unknown[] }
      >("Cluster", "memberList", {}, this.#options);
      if (members.length === 1) return header.raft_term;
      this.#alone = false;
    }
    const { header } = await this.#member.ask<Answer>(
      "KV",
      "range",
      EMPTY_READ,
      this.#options,
    );
    return header.raft_term;
  }
}
