/**
 * The part of the agent that has the node's files and its etcd: it may read
 * and write the data directory, run that one program, and ask the members
 * whether they are there.
 *
 * @module
 */

import { abortable } from "../../base/abortable.ts";
import {
  type Permissions,
  SandboxedWorker,
} from "../../base/worker/sandboxed_worker.ts";
import type { AdoptionHost } from "../../etcd/process/adopt_etcd.ts";
import type { DiskProbe } from "../../etcd/disk_probe.ts";
import type { InitialMember } from "../../config/node_settings.ts";
import type { EtcdMember } from "../../etcd/process/etcd_flags.ts";
import type {
  EtcdProcessOptions,
  EtcdProcessState,
} from "../../etcd/process/etcd_process.ts";
import type { DiskSpace } from "../../base/disk_space.ts";
import type { Identity } from "../identity/identity.ts";
import type { NodeRecord } from "../node_record.ts";
import type { NodeState, Report } from "../node_state.ts";
import { hostsOf } from "./store_part.ts";
import type { WatchedEtcd, WatchedPart } from "../node_state.ts";
import { workerUrl } from "./worker_url.ts";

/** The member of a node. */
export interface MemberInput {
  /** The data directory, absolute. */
  readonly dataDir: string;
  /** How its etcd is run. */
  readonly etcd: EtcdProcessOptions;
  /** The node's name. */
  readonly nodeName: string;
  /** The members of the cluster. */
  readonly members: readonly InitialMember[];
  /** The pid of an etcd that runs already, as it would be started; none to start one. */
  readonly adoptPid?: number | undefined;
}

/** What is told of a member, as far as it has changed. */
export interface MemberNews
  extends Pick<NodeState, "isUp" | "keepsEnding" | "waitsFor"> {
  /** The etcd that was started last. */
  readonly etcd?: { readonly pid: number; readonly state: EtcdProcessState };
  /** Set once it serves for the first time. */
  readonly serves?: true;
  /** What the host is asked about an etcd that was adopted: its reply, or a signal to send. */
  readonly adopted?: "lives?" | "SIGTERM" | "SIGKILL";
}

interface Question {
  readonly input: void;
  readonly news: never;
  readonly result: boolean;
}

/** What the part can be asked. */
export interface MemberCalls {
  /** Starts etcd and keeps it running until asked to end; stops it then. */
  readonly serve: {
    readonly input: MemberInput;
    readonly news: MemberNews;
    readonly result: void;
  };
  /** Replaces what the node remembers. */
  readonly remember: {
    readonly input: { readonly dataDir: string; readonly record: NodeRecord };
    readonly news: never;
    readonly result: void;
  };
  /** Replaces what the node knows of its data. */
  readonly identify: {
    readonly input: {
      readonly dataDir: string;
      readonly identity: Identity;
    };
    readonly news: never;
    readonly result: void;
  };
  /** Measures the disk of a directory. */
  readonly probeDisk: {
    readonly input: string;
    readonly news: never;
    readonly result: DiskProbe | undefined;
  };
  /** Looks how much space the disk of a directory has. */
  readonly diskSpace: {
    readonly input: string;
    readonly news: never;
    readonly result: DiskSpace | undefined;
  };
  /** Whether etcd answers at all. */
  readonly answers: Question;
  /** Whether etcd says that it serves. */
  readonly serves: Question;
}

/** What decides on the rights of a member part. */
export interface MemberPlace extends Pick<MemberInput, "dataDir" | "members"> {
  /** The etcd that it may run. */
  readonly binary: string;
  /** Where its etcd listens. */
  readonly member: Pick<EtcdMember, "clientUrls" | "listenClientUrls">;
}

/** What a member part may do. */
export function memberPermissions(
  { dataDir, binary, member, members }: MemberPlace,
): Permissions {
  const { clientUrls, listenClientUrls = clientUrls } = member;
  const peerUrls = members.map(({ peerUrl }) => peerUrl);
  return {
    read: [dataDir, binary],
    write: [dataDir],
    run: [binary],
    // node:child_process asks for it, whatever environment the child is given.
    env: ["NODE_V8_COVERAGE"],
    sys: ["statfs"],
    net: hostsOf([...listenClientUrls, ...peerUrls]),
  };
}

/** Options of {@linkcode MemberPart.serve}. */
export interface ServeMemberOptions {
  /** Told how it goes. */
  readonly report?: Report | undefined;
  /** Who looks at an etcd that was adopted, and signals it. */
  readonly adoptionHost?: AdoptionHost | undefined;
}

/**
 * The part, which loads from the first moment and serves once it is told to;
 * disposing stops etcd.
 */
export class MemberPart implements WatchedPart, AsyncDisposable {
  /** What it is called. */
  readonly name = "member";
  readonly #part: SandboxedWorker<MemberCalls>;
  readonly #place: MemberPlace;
  readonly #serving = Promise.withResolvers<void>();
  readonly #stopping = new AbortController();
  readonly #failed = new AbortController();
  #life: Promise<void> | undefined;

  /** Starts the part, with the rights for one place and one etcd. */
  constructor(place: MemberPlace) {
    this.#place = place;
    this.#part = SandboxedWorker.start<MemberCalls>({
      module: workerUrl("member_worker"),
      permissions: memberPermissions(place),
      hasExitHooks: true,
    });
    this.#serving.promise.catch(() => {});
  }

  /** The etcd that it may run. */
  get binary(): string {
    return this.#place.binary;
  }

  /** Starts its etcd and keeps it running, or goes on with one that runs; to be called once. */
  serve(
    input: MemberInput,
    { report, adoptionHost }: ServeMemberOptions = {},
  ): void {
    const { signal } = this.#stopping;
    this.#life = this.#part.call("serve", input, {
      signal,
      onNews: ({ serves, etcd, adopted, ...state }) => {
        if (adopted === "lives?") return adoptionHost?.lives();
        if (adopted) return adoptionHost?.signal(adopted);
        report?.(etcd ? { ...state, etcd: this.#watched(etcd) } : state);
        if (serves) this.#serving.resolve();
      },
    }).catch((error) => {
      this.#serving.reject(error);
      if (!signal.aborted) this.#failed.abort(error);
    });
  }

  /** Resolves once it is loaded. */
  get ready(): Promise<void> {
    return this.#part.ready;
  }

  /** Aborts, with the reason, if the member cannot be kept running any more. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /**
   * Resolves once etcd serves, which needs a majority of the members.
   *
   * @throws {KatError} if it cannot be started.
   */
  async untilServing({ signal }: { signal: AbortSignal }): Promise<void> {
    await abortable(this.#serving.promise, signal);
  }

  /** Replaces what the node remembers. */
  async remember(record: NodeRecord): Promise<void> {
    await this.#part.call("remember", { dataDir: this.#place.dataDir, record });
  }

  /** Replaces what the node knows of its data. */
  async identify(identity: Identity): Promise<void> {
    await this.#part.call("identify", {
      dataDir: this.#place.dataDir,
      identity,
    });
  }

  /** Measures the disk. */
  async probeDisk(): Promise<DiskProbe | undefined> {
    return await this.#part.call("probeDisk", this.#place.dataDir);
  }

  /** Looks how much space the disk has. */
  async diskSpace(): Promise<DiskSpace | undefined> {
    return await this.#part.call("diskSpace", this.#place.dataDir);
  }

  /** Whether its event loop turns. */
  turns(options: { readonly signal: AbortSignal }): Promise<boolean> {
    return this.#part.turns(options);
  }

  /** Stops etcd, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error("The member is stopped"));
    await this.#life;
    this.#part[Symbol.dispose]();
  }

  #watched(etcd: { pid: number; state: EtcdProcessState }): WatchedEtcd {
    const ask =
      (name: "answers" | "serves") =>
      ({ signal }: { readonly signal: AbortSignal }) =>
        this.#part.ask(name, undefined, { signal }).catch(() => false);
    return { ...etcd, answers: ask("answers"), serves: ask("serves") };
  }
}
