/**
 * The threads of a node, which load before it is certain that they are needed.
 *
 * @module
 */

import type { ClusterSpec } from "../../config/cluster_config.ts";
import { MemberPart } from "../parts/member_part.ts";
import { type PrepareInput, StorePart } from "../parts/store_part.ts";
import type { NodePlan } from "./plan_node.ts";

/** Options of {@linkcode EarlyWorkers.start}. */
export interface EarlyWorkersOptions {
  /** Says where etcd will be, as far as names tell. */
  readonly guessEtcd?:
    | ((spec: ClusterSpec) => Promise<string | undefined>)
    | undefined;
  /** Where the register has the node; `undefined` if it has not. */
  readonly note?: string | undefined;
}

/**
 * Both threads of a node, loading while etcd is looked for and checked: the
 * store's, and the member's for the etcd that is guessed. Disposing ends what
 * was not taken.
 */
export class EarlyWorkers implements AsyncDisposable {
  /** The store part. */
  readonly store: StorePart;
  readonly #plan: NodePlan;
  readonly #note: string | undefined;
  #guessed: MemberPart | undefined;
  #isConnecting = false;

  private constructor(
    plan: NodePlan,
    { guessed, note }: {
      readonly guessed: string | undefined;
      readonly note: string | undefined;
    },
  ) {
    this.#plan = plan;
    this.#note = note;
    if (guessed !== undefined) this.#guessed = this.#memberFor(guessed);
    this.store = new StorePart(plan);
  }

  /** Starts the threads; they load while the caller goes on. */
  static async start(
    plan: NodePlan,
    { guessEtcd, note }: EarlyWorkersOptions,
  ): Promise<EarlyWorkers> {
    const guessed = await guessEtcd?.(plan.record.spec);
    return new EarlyWorkers(plan, { guessed, note });
  }

  /**
   * The member part for the etcd that was found, which the caller disposes of
   * from now on. If another was guessed, its thread may not run this one: it is
   * ended, and one with other rights is started.
   */
  async takeMember(binary: string): Promise<MemberPart> {
    const guessed = this.#guessed;
    this.#guessed = undefined;
    if (guessed?.binary === binary) return guessed;
    await guessed?.[Symbol.asyncDispose]();
    return this.#memberFor(binary);
  }

  /** Connects the store's thread to etcd, which has just been started; once. */
  connectStore(
    member: MemberPart,
    { clusterId }: Pick<PrepareInput, "clusterId">,
  ): void {
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    const { endpoints } = this.#plan;
    this.store.prepare({ endpoints, clusterId }, {
      portHolder: () => member.portHolder(),
    });
  }

  /** Ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guessed?.[Symbol.asyncDispose]();
    this.store[Symbol.dispose]();
  }

  #memberFor(binary: string): MemberPart {
    const dataDir = this.#plan.paths.root;
    return new MemberPart({ dataDir, binary, note: this.#note });
  }
}
