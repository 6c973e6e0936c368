/**
 * The calls to etcd that administrate a cluster: listing members, alarms,
 * compaction and defragmentation.
 *
 * When each is safe, and in which order, is left to `compact_defrag` and
 * `disarm_no_space`.
 *
 * @module
 */

import { EtcdClient, type EtcdClientOptions } from "./etcd_client.ts";

/** One member, as the cluster lists it. */
export interface ListedMember {
  /** Its ID in hexadecimal digits, as etcd's own tools show it. */
  readonly memberId: string;
  /** Its name; empty if it has never started. */
  readonly name: string;
  /** Its client URLs; empty if it has never started. */
  readonly clientUrls: readonly string[];
  /** Its peer URLs. */
  readonly peerUrls: readonly string[];
}

/** The kind of an alarm: a database at its quota, or data that differ between members. */
export type AlarmKind = "nospace" | "corrupt";

/** An alarm of etcd, which lasts until it is disarmed. */
export interface EtcdAlarm {
  /** The member that raised it, as hexadecimal digits. */
  readonly memberId: string;
  /** Its kind. */
  readonly kind: AlarmKind;
}

/** Options of each call. */
export interface MaintenanceOptions
  extends Pick<EtcdClientOptions, "cluster" | "own"> {
  /** Ends the wait; the member may continue what it was asked to do. */
  readonly signal?: AbortSignal | undefined;
  /** The deadline of the call, in milliseconds from now. */
  readonly timeoutMs?: number | undefined;
  /**
   * Whether a member that knows no leader is to refuse the call: without, it
   * answers with what it knows itself, which may be old. @default {true}
   */
  readonly needsLeader?: boolean | undefined;
}

/** The head of each answer: the cluster, the member, and the revision of its store. */
export interface ResponseHeader {
  /** The cluster, in decimal digits. */
  readonly cluster_id: string;
  /** The member, in decimal digits. */
  readonly member_id: string;
  /** The revision of the member's store. */
  readonly revision: string;
}

interface MemberListResponse {
  readonly members: readonly {
    readonly ID: string;
    readonly name: string;
    readonly peerURLs: readonly string[];
    readonly clientURLs: readonly string[];
  }[];
}

interface AlarmResponse {
  readonly alarms?: readonly {
    readonly memberID: string;
    readonly alarm: string;
  }[];
}

/** How long reading from a member may take by default. */
export const ANSWER_MS = 3_000;
/**
 * How long compacting or defragmenting may take. Copying a database of 8 GiB, the
 * largest that etcd recommends, takes 7 minutes at the 20 MB/s of an SD card.
 */
const WORK_MS = 600_000;

/** Calls the members of one cluster. */
export class EtcdMaintenance implements Disposable {
  readonly #client: EtcdClient;

  /** Calls the cluster at `endpoints` (client URLs); sends nothing yet. */
  constructor(
    endpoints: readonly string[],
    { cluster, own }: Pick<EtcdClientOptions, "cluster" | "own"> = {},
  ) {
    this.#client = new EtcdClient(endpoints, { cluster, own });
  }

  /**
   * Lists the members. Needs a majority of them, unless `needsLeader` is false.
   *
   * @throws {EtcdCallError} if no member answers, or there is no majority.
   */
  async members(options: MaintenanceOptions = {}): Promise<ListedMember[]> {
    const { members } = await this.#client.repeatable<MemberListResponse>(
      "Cluster",
      "memberList",
      {},
      { timeoutMs: ANSWER_MS, ...options },
    );
    return members.map(({ ID, name, clientURLs, peerURLs }) => ({
      memberId: hex(ID),
      name,
      clientUrls: clientURLs,
      peerUrls: peerURLs,
    }));
  }

  /**
   * Tells the cluster at which URL a member is reached by the others.
   *
   * @throws {EtcdCallError} if no member confirmed it.
   */
  async updatePeerUrl(
    { memberId, peerUrl }: {
      readonly memberId: string;
      readonly peerUrl: string;
    },
    options: MaintenanceOptions = {},
  ): Promise<void> {
    await this.#client.repeatable("Cluster", "memberUpdate", {
      ID: BigInt(`0x${memberId}`).toString(),
      peerURLs: [peerUrl],
    }, { timeoutMs: ANSWER_MS, ...options });
  }

  /**
   * Returns the alarms of all members; every member knows all of them.
   *
   * @throws {EtcdCallError} if no member answers.
   */
  async alarms(options: MaintenanceOptions = {}): Promise<EtcdAlarm[]> {
    const { alarms = [] } = await this.#client.repeatable<AlarmResponse>(
      "Maintenance",
      "alarm",
      { action: "Get" },
      { timeoutMs: ANSWER_MS, ...options },
    );
    return alarms.map(({ memberID, alarm }) => ({
      memberId: hex(memberID),
      kind: alarm === "Corrupt" ? "corrupt" : "nospace",
    }));
  }

  /**
   * Disarms an alarm. A member that is still full raises it again at the next
   * write.
   *
   * @throws {EtcdCallError} if no member confirmed it.
   */
  async disarm(
    { memberId, kind }: EtcdAlarm,
    options: MaintenanceOptions = {},
  ): Promise<void> {
    // etcd reports no error for an alarm that no longer exists.
    await this.#client.repeatable("Maintenance", "alarm", {
      action: "Deactivate",
      memberID: BigInt(`0x${memberId}`).toString(),
      alarm: kind === "corrupt" ? "Corrupt" : "Nospace",
    }, { timeoutMs: ANSWER_MS, ...options });
  }

  /**
   * Deletes the versions of keys that were replaced before `revision`; current
   * values stay. Resolves once the space is free inside the database of the member
   * that was asked.
   *
   * @throws {EtcdCallError} with the failure `compacted` if that was done before.
   */
  async compact(
    revision: bigint,
    options: MaintenanceOptions = {},
  ): Promise<void> {
    await this.#client.once(
      "KV",
      "compact",
      { revision: revision.toString(), physical: true },
      { timeoutMs: WORK_MS, ...options },
    );
  }

  /** Ends the connections. */
  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

/**
 * Rewrites the database of the member at `endpoint` without its gaps. The member
 * answers no request meanwhile.
 *
 * @throws {EtcdCallError} if the member did not confirm it.
 */
export async function defragmentMember(
  endpoint: string,
  options: MaintenanceOptions = {},
): Promise<void> {
  using client = new EtcdClient([endpoint], options);
  await client.once(
    "Maintenance",
    "defragment",
    {},
    { timeoutMs: WORK_MS, ...options },
  );
}

/** Turns an ID from the protocol's decimal digits into the hexadecimal ones that etcd's tools show. */
export function hex(id: string): string {
  return BigInt(id).toString(16);
}
