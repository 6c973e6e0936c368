/**
 * The part of the agent that has the node's files and its etcd: its thread may
 * read and write the data directory and run that one program. It may connect to
 * nothing: what must be asked over the network, the store part asks.
 *
 * @module
 */

import { dirname } from "node:path";
import { abortable } from "../../base/abortable.ts";
import { KatError } from "../../base/errors.ts";
import { portOf, urlOf } from "../../base/url.ts";
import type { DiskSpace } from "../../base/disk_space.ts";
import {
  type Permissions,
  SandboxedWorker,
} from "../../base/worker/sandboxed_worker.ts";
import type { Served, ServedContext } from "../../base/worker/methods.ts";
import { ThreadError } from "../../base/worker/thread_error.ts";
import type { InitialMember } from "../../config/node_settings.ts";
import { quote } from "../../config/rule.ts";
import type { EtcdHealth } from "../../etcd/client/etcd_health.ts";
import type { DiskProbe } from "../../etcd/disk_probe.ts";
import type { OrphanControl } from "../../etcd/process/adopt_etcd.ts";
import {
  type EtcdProcessOptions,
  type EtcdProcessState,
  GRACE_MS,
} from "../../etcd/process/etcd_process.ts";
import type { Identity } from "../identity/identity.ts";
import type { NodeRecord } from "../node_record.ts";
import type { NodeState, Report, WatchedPart } from "../node_state.ts";
import { endedBy } from "./ended_by.ts";
import { MEMBER_SCHEMAS } from "./member_schemas.ts";
import { THREAD_ERRORS } from "./thread_errors.ts";
import { workerUrl } from "./worker_url.ts";

/** How an etcd is run, as far as it is plain data. */
export type EtcdSettings = Omit<EtcdProcessOptions, "health">;

/** The member of a node. */
export interface MemberInput {
  /** How its etcd is run. */
  readonly etcd: EtcdSettings;
  /** The node's name. */
  readonly nodeName: string;
  /** The members of the cluster. */
  readonly members: readonly InitialMember[];
  /** Where the register has this node; `undefined` if it has not. */
  readonly note?: string | undefined;
  /** The pid of an etcd that runs already, as it would be started; none to start one. */
  readonly adoptPid?: number | undefined;
}

/** The etcd that was started last. */
export interface RunningEtcd {
  /** Its pid. */
  readonly pid: number;
  /** What it is doing. */
  readonly state: EtcdProcessState;
}

/** What the member's thread does when asked. */
export interface MemberMethods {
  /** Starts etcd and keeps it running until asked to end; stops it then. */
  serve(input: MemberInput): Promise<void>;
  /** Replaces what the node remembers. */
  keepRecord(
    input: { readonly dataDir: string; readonly record: NodeRecord },
  ): Promise<void>;
  /** Replaces what the node knows of its data. */
  keepIdentity(
    input: { readonly dataDir: string; readonly identity: Identity },
  ): Promise<void>;
  /** Measures the disk of a directory. */
  probeDisk(dataDir: string): Promise<DiskProbe | undefined>;
  /** Says how much space the disk of a directory has. */
  diskSpace(dataDir: string): Promise<DiskSpace | undefined>;
  /** Which of its etcds holds its ports, by a number; `undefined` if none does. */
  portHolder(): Promise<number | undefined>;
}

/** What it has its host do. */
export interface MemberHost {
  /** Takes note of the etcd that was started last, and of what it does. */
  reportEtcd(etcd: RunningEtcd): void;
  /** Takes note that etcd serves, for the first time. */
  reportServing(): void;
  /** Takes note that the data directory is not there any more, and why: the node is over. */
  reportLost(why: string): void;
  /** Takes note of what else has changed. */
  report(progress: Pick<NodeState, "isUp" | "keepsEnding" | "waitsFor">): void;
  /** Whether an etcd that was adopted still runs. */
  isOrphanRunning(): Promise<boolean>;
  /** Sends it a signal, if it still runs. */
  signalOrphan(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Resolves once the member at a client URL serves. */
  untilServing(clientUrl: string): Promise<void>;
  /** The names and peer URLs of the other members that cannot be reached. */
  missingPeers(): Promise<string[]>;
}

/**
 * How long stopping etcd may take: SIGKILL comes after 10 s. A thread that
 * stands still leaves its etcd to the next start of the agent.
 */
const STOPPING_MS = GRACE_MS + 5_000;

/** What decides on the rights of the member's thread. */
export interface MemberPlace {
  /** The data directory, absolute. */
  readonly dataDir: string;
  /** The etcd that it may run. */
  readonly binary: string;
  /** Where the register has this node, for a first start that comes to nothing. */
  readonly note?: string | undefined;
}

/** What the member's thread may do. */
export function memberPermissions(
  { dataDir, binary, note }: MemberPlace,
): Permissions {
  return {
    read: [dataDir, binary, ...(note ? [dirname(note)] : [])],
    write: [dataDir, ...(note ? [note] : [])],
    run: [binary],
    // node:child_process asks for it, whatever environment the child is given.
    env: ["NODE_V8_COVERAGE"],
    // Whose files it believes in the data directory.
    sys: ["statfs", "uid"],
  };
}

/** What may connect to the members. */
export interface MemberNetwork {
  /** Asks members how they are. */
  readonly health: EtcdHealth;
  /** The names and peer URLs of the members but `nodeName` that cannot be reached. */
  missingPeers(
    input: Pick<MemberInput, "members" | "nodeName">,
    options: { readonly signal: AbortSignal },
  ): Promise<string[]>;
}

/** Options of {@linkcode MemberPart.serve}. */
export interface ServeMemberOptions {
  /** Asks the members what must be known of them. */
  readonly network: MemberNetwork;
  /** Takes note of what has changed. */
  readonly report?: Report | undefined;
  /** Signals an etcd that was adopted, and looks at it. */
  readonly orphan?: OrphanControl | undefined;
}

/**
 * The member part, as the main thread has it. Its thread loads from the first
 * moment and serves once it is told to; disposing stops etcd.
 */
export class MemberPart implements WatchedPart, AsyncDisposable {
  /** What it is called. */
  readonly name = "member";
  readonly #worker: SandboxedWorker<MemberMethods, MemberHost>;
  readonly #place: MemberPlace;
  readonly #serving = Promise.withResolvers<void>();
  readonly #stopping = new AbortController();
  readonly #failed = new AbortController();
  #life: Promise<void> | undefined;

  /** Starts the thread, with the rights for one place and one etcd. */
  constructor(place: MemberPlace) {
    this.#place = place;
    this.#worker = SandboxedWorker.start({
      module: workerUrl("member_worker"),
      permissions: memberPermissions(place),
      hasExitHooks: true,
      errors: THREAD_ERRORS,
      schemas: MEMBER_SCHEMAS,
    });
    this.#serving.promise.catch(() => {});
  }

  /** The etcd that it may run. */
  get binary(): string {
    return this.#place.binary;
  }

  /** Starts its etcd and keeps it running, or adopts one that runs; to be called once. */
  serve(input: MemberInput, options: ServeMemberOptions): void {
    const { signal } = this.#stopping;
    const host = this.#hostOf(input, options);
    const thread = { thread: this.name, signal };
    const over = (error: unknown) => this.#over(error);
    const { note } = this.#place;
    this.#life = this.#worker.remote.serve({ ...input, note }, {
      signal,
      host,
      graceMs: STOPPING_MS,
    }).then(
      () => over(endedBy(undefined, thread)),
      (error) => over(endedBy(error, thread)),
    );
  }

  #over(error: unknown): void {
    this.#serving.reject(error);
    if (!this.#stopping.signal.aborted) this.#failed.abort(error);
  }

  /** Resolves once it is loaded. */
  get ready(): Promise<void> {
    return this.#worker.ready;
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
  async keepRecord(record: NodeRecord): Promise<void> {
    const { dataDir } = this.#place;
    await this.#worker.remote.keepRecord({ dataDir, record });
  }

  /** Replaces what the node knows of its data. */
  async keepIdentity(identity: Identity): Promise<void> {
    const { dataDir } = this.#place;
    await this.#worker.remote.keepIdentity({ dataDir, identity });
  }

  /** Measures the disk. */
  async probeDisk(): Promise<DiskProbe | undefined> {
    return await this.#worker.remote.probeDisk(this.#place.dataDir);
  }

  /** Says how much space the disk has. */
  async diskSpace(): Promise<DiskSpace | undefined> {
    return await this.#worker.remote.diskSpace(this.#place.dataDir);
  }

  /** Which of its etcds, and no other program, holds its ports, by a number; `undefined` if none does. */
  async portHolder(): Promise<number | undefined> {
    return await this.#worker.remote.portHolder();
  }

  /** Whether its event loop turns. */
  responds(options: { readonly signal: AbortSignal }): Promise<boolean> {
    return this.#worker.turns(options);
  }

  /** Stops etcd, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error("The member is stopped"));
    await this.#life;
    this.#worker[Symbol.dispose]();
  }

  #hostOf(
    input: MemberInput,
    { network, report, orphan }: ServeMemberOptions,
  ): Served<MemberHost, ServedContext> {
    const { health } = network;
    const [clientUrl] = input.etcd.member.clientUrls;
    return {
      reportEtcd: (etcd) =>
        report?.({
          etcd: {
            ...etcd,
            answers: (options) => health.answers(clientUrl, options),
            serves: (options) => health.isServing(clientUrl, options),
          },
        }),
      reportServing: () => this.#serving.resolve(),
      reportLost: (why) => this.#over(this.#lost(why)),
      report: (progress) => report?.(progress),
      isOrphanRunning: async () => await orphan?.isRunning() ?? false,
      signalOrphan: async (signal) => await orphan?.signal(signal),
      untilServing: (url, options) => {
        if (
          url !== clientUrl && url !== urlOf("127.0.0.1", portOf(clientUrl))
        ) {
          throw new ThreadError(`asked for the member at ${quote(url)}`);
        }
        return health.untilServing(url, options);
      },
      missingPeers: (_, options) => network.missingPeers(input, options),
    };
  }

  #lost(why: string): KatError {
    return new KatError(
      `Cannot go on: the data directory "${this.#place.dataDir}" was lost while the agent ran: ${why}`,
      {
        hint:
          "Put it back, or mount its disk, and start the agent again; no new data was put in its place",
      },
    );
  }
}
