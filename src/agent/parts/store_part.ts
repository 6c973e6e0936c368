/**
 * The part of the agent that speaks with etcd: it makes or finds the cluster,
 * campaigns, and observes. All that reads from the network runs in its thread,
 * which has connections to the members, and no files and no processes.
 *
 * @module
 */

import { abortable } from "../../base/abortable.ts";
import { authorityOf } from "../../base/url.ts";
import {
  type Permissions,
  SandboxedWorker,
} from "../../base/worker/sandboxed_worker.ts";
import type { ClusterSpec } from "../../config/cluster_config.ts";
import type { SharedSpec } from "../../config/shared_spec.ts";
import type { EtcdHealth } from "../../etcd/client/etcd_health.ts";
import type { DiskProbe } from "../../etcd/disk_probe.ts";
import type { InitialMember } from "../../config/node_settings.ts";
import type { ClusterRecord } from "../../cluster/cluster_record.ts";
import type { DiskSpace } from "../../base/disk_space.ts";
import type { Identity } from "../identity/identity.ts";
import type { NodeState, WatchedPart } from "../node_state.ts";
import type { ClusterTiming } from "../../cluster/cluster_timing.ts";
import type { MemberNetwork } from "./member_part.ts";
import { endedBy } from "./ended_by.ts";
import { STORE_SCHEMAS } from "./store_schemas.ts";
import { THREAD_ERRORS } from "./thread_errors.ts";
import { workerUrl } from "./worker_url.ts";

/** What a node is in the cluster. */
export interface StoreInput {
  /** The client URLs of the members, the nearest first. */
  readonly endpoints: readonly string[];
  /** The node's name, and its leader ID. */
  readonly nodeName: string;
  /** The members of the cluster; none if this node runs none of them. */
  readonly members: readonly InitialMember[];
  /** How the node came by its cluster. */
  readonly entry: StoreEntry;
  /** The member that the node runs, at the first endpoint; none if it runs none. */
  readonly own?: OwnMember | undefined;
}

/** What a node knows of the member that it runs. */
export interface OwnMember {
  /** Whose data it had, and how far they were. */
  readonly identity: Identity | undefined;
  /** The etcd that runs, as `3.6.14`. */
  readonly etcdVersion: string;
  /** The key under which the node's last agent stood in the election. */
  readonly electionKey: string | undefined;
  /** The timing that was settled before. */
  readonly timing: ClusterTiming | undefined;
  /** How quick its disk is, if that was measured already. */
  readonly probe: DiskProbe | undefined;
  /** Whether cluster.kat says a lease; `undefined` without the file. */
  readonly isLeaseGiven: boolean | undefined;
  /** Whether that is what it said when it was last applied, or it never was. */
  readonly isLeaseKept: boolean;
}

/** What a node knows of its cluster. */
interface NamedEntry {
  /** The cluster's name. */
  readonly name: string;
  /** Its configuration as the node last knew it, or as it is to be made. */
  readonly spec: ClusterSpec;
  /** What cluster.kat says; without it the cluster's own configuration holds. */
  readonly wantedSpec: ClusterSpec | undefined;
  /** What cluster.kat said when this node last applied it. */
  readonly appliedSpec: SharedSpec | undefined;
}

/** How a node comes by its cluster. */
export type StoreEntry =
  /** It makes the cluster, unless another node has. */
  | NamedEntry & {
    readonly kind: "make";
  }
  /** It has been in the cluster of that UID before. */
  | NamedEntry & {
    readonly kind: "return";
    readonly uid: string;
  }
  /** It takes part in whatever cluster there is. */
  | { readonly kind: "join" };

/** What is known before the node's own member serves. */
export interface PrepareInput extends Pick<StoreInput, "endpoints"> {
  /** The ID of the cluster in hexadecimal digits; none before the first start. */
  readonly clusterId: string | undefined;
}

/** What the store's thread does when asked. */
export interface StoreMethods {
  /** Takes part in the cluster until asked to end; resigns then. */
  serve(input: StoreInput): Promise<void>;
  /** Connects to the members, and reads, before it is to serve. */
  prepare(input: PrepareInput): Promise<void>;
  /** Ends the term that is under way, if one is, with the reason. */
  endTerm(reason: string): Promise<void>;
  /** Resolves once the member at a client URL serves. */
  untilServing(clientUrl: string): Promise<void>;
  /** Whether the member at a client URL says that it serves. */
  isServing(clientUrl: string): Promise<boolean>;
  /** Whether the member at a client URL answers at all. */
  answers(clientUrl: string): Promise<boolean>;
  /** The version of the member at a client URL, if an etcd says one. */
  serverVersion(clientUrl: string): Promise<string | undefined>;
  /** The names and peer URLs of the members but `nodeName` that cannot be reached. */
  missingPeers(
    input: Pick<StoreInput, "members" | "nodeName">,
  ): Promise<string[]>;
  /** Whether a cluster at `endpoints` has been told of a member at `peerUrl` that has not started yet. */
  isAwaited(input: AwaitedInput): Promise<boolean>;
}

/** What {@linkcode StoreMethods.isAwaited} asks. */
export interface AwaitedInput extends Pick<StoreInput, "endpoints"> {
  /** The peer URL of the member that may be awaited. */
  readonly peerUrl: string;
}

/** What it has its host do; the member part has the files. */
export interface StoreHost {
  /** Takes note of what has changed. */
  report(progress: Pick<NodeState, "leader" | "storeCheck" | "term">): void;
  /** Remembers the cluster; the node goes on when this has resolved. */
  keepCluster(cluster: ClusterRecord): Promise<void>;
  /** Remembers the key that stands for the node in the election from now on. */
  keepElectionKey(electionKey: string): Promise<void>;
  /** Remembers whose data the member has, and how far they are now. */
  keepIdentity(identity: Identity): Promise<void>;
  /** Remembers the timing that all nodes settled on. */
  keepTiming(timing: ClusterTiming): Promise<void>;
  /** Measures the disk. */
  probeDisk(): Promise<DiskProbe | undefined>;
  /** Says how much space the disk has. */
  diskSpace(): Promise<DiskSpace | undefined>;
  /** Which of the node's own etcds, and no other program, holds its ports, by a number; `undefined` if none does. */
  portHolder(): Promise<number | undefined>;
}

const tooEarly = () => Promise.reject(new Error("It does not serve yet"));

/** What a store is refused that only prepares. */
const NOT_YET: Omit<StoreHost, "portHolder"> = {
  report() {},
  keepCluster: tooEarly,
  keepElectionKey: tooEarly,
  keepIdentity: tooEarly,
  keepTiming: tooEarly,
  probeDisk: tooEarly,
  diskSpace: tooEarly,
};

/** Options of {@linkcode StorePart.serve}. */
export interface ServeStoreOptions {
  /** Does what needs files, and takes note of what has changed. */
  readonly host: StoreHost;
  /** Ends it, in order. */
  readonly signal: AbortSignal;
}

/**
 * How long resigning may take. Its own limits add up to 2 s: 1.5 for the term
 * and its lease, and 0.5 for a last check of the store. If a package in there
 * hangs all the same, etcd is stopped in order and the lease runs out.
 */
const RESIGNING_MS = 4_000;

/** What the store's thread may do: connect to the members, and read a clock. */
export function storePermissions(
  { endpoints, members }: Pick<StoreInput, "endpoints" | "members">,
): Permissions {
  const urls = [...endpoints, ...members.map(({ peerUrl }) => peerUrl)];
  // The clock that runs on while the machine is suspended.
  return { net: [...new Set(urls.map(authorityOf))], sys: ["osUptime"] };
}

/** The store part, as the main thread has it; its thread loads while the caller goes on. */
export class StorePart implements WatchedPart, MemberNetwork, Disposable {
  /** What it is called. */
  readonly name = "store";
  /** Asks members how they are. */
  readonly health: EtcdHealth;
  readonly #worker: SandboxedWorker<StoreMethods, StoreHost>;

  /** Starts the thread. */
  constructor(input: Pick<StoreInput, "endpoints" | "members">) {
    this.#worker = SandboxedWorker.start({
      module: workerUrl("store_worker"),
      permissions: storePermissions(input),
      errors: THREAD_ERRORS,
      schemas: STORE_SCHEMAS,
    });
    const { remote } = this.#worker;
    const isTrue = (answer: Promise<boolean>, signal: AbortSignal) =>
      abortable(answer, signal).catch(() => false);
    this.health = {
      untilServing: (url, { signal }) =>
        abortable(remote.untilServing(url, { signal }), signal),
      isServing: (url, { signal }) =>
        isTrue(remote.isServing(url, { signal }), signal),
      answers: (url, { signal }) =>
        isTrue(remote.answers(url, { signal }), signal),
      serverVersion: (url, { signal }) =>
        abortable(remote.serverVersion(url, { signal }), signal)
          .catch(() => undefined),
    };
  }

  /** The names and peer URLs of the members but `nodeName` that cannot be reached. */
  missingPeers(
    { members, nodeName }: Pick<StoreInput, "members" | "nodeName">,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<string[]> {
    return this.#worker.remote.missingPeers({ members, nodeName }, { signal });
  }

  /** Whether the cluster at `endpoints` waits for the first start of a member at `peerUrl`. */
  isAwaited(
    input: AwaitedInput,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<boolean> {
    return this.#worker.remote.isAwaited(input, { signal });
  }

  /**
   * Takes part until the signal aborts.
   *
   * @throws {KatError} if the store holds another cluster than it should.
   */
  async serve(
    input: StoreInput,
    { host, signal }: ServeStoreOptions,
  ): Promise<void> {
    const { name: thread } = this;
    const options = { signal, graceMs: RESIGNING_MS, host };
    await this.#worker.remote.serve(input, options).catch((error) => {
      if (!signal.aborted || error !== signal.reason) {
        throw endedBy(error, { thread, signal });
      }
    });
    if (!signal.aborted) throw endedBy(undefined, { thread, signal });
  }

  /**
   * Connects while etcd starts, so that {@linkcode serve} finds a connection
   * that has been used; writes nothing.
   */
  prepare(
    input: PrepareInput,
    { portHolder }: Pick<StoreHost, "portHolder">,
  ): void {
    const host = { ...NOT_YET, portHolder };
    // What fails here fails again in serve(), which says so.
    void this.#worker.remote.prepare(input, { host });
  }

  /** Ends the term that this node leads in, if it does; it campaigns again. */
  endTerm(reason: string): void {
    // If the thread has ended, its term has ended as well.
    void this.#worker.remote.endTerm(reason);
  }

  /** Resolves once it is loaded. */
  get ready(): Promise<void> {
    return this.#worker.ready;
  }

  /** Whether its event loop turns. */
  responds(options: { readonly signal: AbortSignal }): Promise<boolean> {
    return this.#worker.turns(options);
  }

  /** Ends the thread. */
  [Symbol.dispose](): void {
    this.#worker[Symbol.dispose]();
  }
}
