/**
 * Renewals of a lease that a majority of etcd's members stand behind.
 *
 * etcd's leader renews leases by itself. One that was cut off goes on with that
 * for up to two election time-outs while the others have elected another, who
 * knows nothing of these renewals: he ends the lease one TTL and his own
 * election time-out after he began. With the same time-out everywhere that is
 * late enough, and not by much; where members differ in it, as while it is being
 * changed, two candidates believed to lead at once.
 *
 * So each renewal is asked for together with a read that needs a majority, of
 * the same member. If both are answered in the raft term that the member was in
 * before, whoever renewed was the leader when the read was confirmed, after both
 * were sent: any later leader began after that, and grants at least one TTL
 * from then on. That does not depend on any time-out.
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
import type { KeepAlive } from "../leadership/lease.ts";
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
  /** A member without others is its own majority; its answer must not wait for its database. */
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
   * Opens a stream to a member that has a majority behind it.
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
        // The next try begins elsewhere.
        client.preferNextMember();
        throw error;
      }
    });
  }

  /** Asks for a renewal, and a majority for its word. */
  renew(): void {
    this.#member.stream.write({ ID: this.#id });
    this.#confirmed = this.#confirm();
    // It is asked for in `next`, unless the renewal failed before.
    this.#confirmed.catch(() => {});
  }

  async next(): Promise<number> {
    return await idempotent("renew a lease", async () => {
      const reply = await this.#member.stream.next();
      if (reply === undefined) {
        throw new StoreUnavailableError("The renewal stream ended");
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
