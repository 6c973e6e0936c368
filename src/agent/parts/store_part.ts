/**
 * The part of the agent that speaks with etcd: it makes or finds the cluster,
 * campaigns, and observes. The packages that it needs for that run where there
 * are connections to etcd, and no files and no processes.
 *
 * @module
 */

import { authorityOf } from "../../base/url.ts";
import {
  type Permissions,
  SandboxedWorker,
} from "../../base/worker/sandboxed_worker.ts";
import type { ClusterSpec } from "../../config/cluster_config.ts";
import type { DiskProbe } from "../../etcd/disk_probe.ts";
import { type InitialMember } from "../../etcd/process/etcd_flags.ts";
import type { ClusterRecord } from "../../cluster/cluster_record.ts";
import type { DiskSpace } from "../../base/disk_space.ts";
import type { Identity } from "../identity/identity.ts";
import type { NodeState, Report } from "../node_state.ts";
import type { ClusterTiming } from "../../cluster/cluster_timing.ts";
import type { WatchedPart } from "../node_state.ts";
import { workerUrl } from "./worker_url.ts";

/** What a node is in the cluster. */
export interface StoreInput {
  /** The client URLs of the members, the nearest first. */
  readonly endpoints: readonly string[];
  /** The node's name, and its leader ID. */
  readonly nodeName: string;
  /** The members of the cluster; none if somebody else runs them. */
  readonly members: readonly InitialMember[];
  /** How the node came by its cluster. */
  readonly entry: StoreEntry;
  /** The member that the node runs, at the first endpoint; none if somebody else does. */
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
}

/** How a node comes by its cluster. */
export type StoreEntry =
  /** It makes the cluster, unless another node has. */
  | {
    readonly kind: "make";
    readonly spec: ClusterSpec;
    /** What cluster.kat says, as below. */
    readonly wantedSpec: ClusterSpec | undefined;
  }
  /** It has been in the cluster of that UID before. */
  | {
    readonly kind: "return";
    readonly uid: string;
    /** What cluster.kat says; without it the cluster's own configuration holds. */
    readonly wantedSpec: ClusterSpec | undefined;
  }
  /** It takes part in whatever cluster there is. */
  | { readonly kind: "join" };

/** What is told of the store, as far as it has changed. */
export interface StoreNews extends Pick<NodeState, "leader" | "look" | "term"> {
  /** The cluster, once known: the node goes on when this has been heard. */
  readonly cluster?: ClusterRecord;
  /** Whose data the member has, and how far they are now. */
  readonly identity?: Identity;
  /** The timing that all nodes settled on. */
  readonly timing?: ClusterTiming;
  /** The key that stands for this node in the election from now on. */
  readonly electionKey?: string;
  /** What the host is asked for: its reply. */
  readonly ask?: "disk probe" | "disk space";
}

/** What the part has its host do, which has files. */
export interface StoreHost {
  /** Remembers the cluster; the node goes on when this has resolved. */
  readonly keepCluster: (cluster: ClusterRecord) => Promise<void>;
  /** Remembers the key that stands for the node in the election. */
  readonly keepElectionKey: (electionKey: string) => Promise<void>;
  /** Remembers the data. */
  readonly keepIdentity: (identity: Identity) => Promise<void>;
  /** Remembers the timing. */
  readonly keepTiming: (timing: ClusterTiming) => Promise<void>;
  /** Measures the disk. */
  readonly probeDisk: () => Promise<DiskProbe | undefined>;
  /** Looks how much space it has. */
  readonly diskSpace: () => Promise<DiskSpace | undefined>;
}

/** What the part can be asked. */
export interface StoreCalls {
  /** Takes part until asked to end; resigns then. */
  readonly serve: {
    readonly input: StoreInput;
    readonly news: StoreNews;
    readonly result: void;
  };
  /** Connects to the members, and reads, before it is to serve. */
  readonly prepare: {
    readonly input: Pick<StoreInput, "endpoints">;
    readonly news: never;
    readonly result: void;
  };
  /** Ends the term that is under way, if one is, with the reason. */
  readonly endTerm: {
    readonly input: string;
    readonly news: never;
    readonly result: void;
  };
}

/** Options of {@linkcode StorePart.serve}. */
export interface ServeStoreOptions {
  /** What has files, if the node has any. */
  readonly host?: StoreHost | undefined;
  /** Told how it goes. */
  readonly report?: Report | undefined;
  /** Ends it, in order. */
  readonly signal: AbortSignal;
}

/**
 * How long resigning may take. Its own limits add up to 2 s, of which 1.5 are
 * for the term and its lease, and 0.5 for a last look at the store; should a
 * package in there hang all the same, etcd is stopped in order and the lease
 * runs out.
 */
const RESIGNING_MS = 4_000;

/** What a store part may do: connect to the members, and look at a clock. */
export function storePermissions(
  { endpoints, members }: Pick<StoreInput, "endpoints" | "members">,
): Permissions {
  const urls = [...endpoints, ...members.map(({ peerUrl }) => peerUrl)];
  // The clock that runs on while the machine is suspended.
  return { net: hostsOf(urls), sys: ["osUptime"] };
}

/** The hosts and ports of URLs, as permissions name them. */
export function hostsOf(urls: readonly string[]): string[] {
  return [...new Set(urls.map(authorityOf))];
}

/** The running part; it loads while the caller goes on. */
export class StorePart implements WatchedPart, Disposable {
  /** What it is called. */
  readonly name = "store";
  readonly #part: SandboxedWorker<StoreCalls>;

  /** Starts the part. */
  constructor(input: Pick<StoreInput, "endpoints" | "members">) {
    this.#part = SandboxedWorker.start<StoreCalls>({
      module: workerUrl("store_worker"),
      permissions: storePermissions(input),
    });
  }

  /**
   * Takes part until the signal aborts.
   *
   * @throws {KatError} if the store holds another cluster than it should.
   */
  async serve(
    input: StoreInput,
    { host, report, signal }: ServeStoreOptions,
  ): Promise<void> {
    await this.#part.call("serve", input, {
      signal,
      graceMs: RESIGNING_MS,
      onNews({ cluster, identity, timing, electionKey, ask, ...state }) {
        if (cluster) return host?.keepCluster(cluster);
        if (identity) return host?.keepIdentity(identity);
        if (electionKey) return host?.keepElectionKey(electionKey);
        if (timing) return host?.keepTiming(timing);
        if (ask === "disk probe") return host?.probeDisk();
        if (ask === "disk space") return host?.diskSpace();
        report?.(state);
      },
    }).catch((error) => {
      if (!signal.aborted || error !== signal.reason) throw error;
    });
  }

  /**
   * Connects while etcd starts, so that {@linkcode serve} finds a connection
   * that has been used; writes nothing.
   */
  prepare(input: Pick<StoreInput, "endpoints">): void {
    // What fails here, serving meets again, and says so.
    this.#part.call("prepare", input).catch(() => {});
  }

  /** Ends the term that this node leads in, if it does; it campaigns again. */
  endTerm(reason: string): void {
    // Where the part has ended, its term has as well.
    this.#part.call("endTerm", reason).catch(() => {});
  }

  /** Resolves once it is loaded. */
  get ready(): Promise<void> {
    return this.#part.ready;
  }

  /** Whether its event loop turns. */
  turns(options: { readonly signal: AbortSignal }): Promise<boolean> {
    return this.#part.turns(options);
  }

  /** Ends the part. */
  [Symbol.dispose](): void {
    this.#part[Symbol.dispose]();
  }
}
