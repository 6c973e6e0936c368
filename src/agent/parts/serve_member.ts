/**
 * A member's life, from the start of its etcd to the end: what the thread of
 * {@linkcode MemberPart} does.
 *
 * @module
 */

import { dirname } from "node:path";
import { abortable, aborted } from "../../base/abortable.ts";
import { diskSpace } from "../../base/disk_space.ts";
import type {
  WorkerContext,
  WorkerMethods,
} from "../../base/worker/serve_methods.ts";
import { probeDisk } from "../../etcd/disk_probe.ts";
import { adoptEtcd } from "../../etcd/process/adopt_etcd.ts";
import {
  type EtcdProcess,
  startEtcd,
} from "../../etcd/process/etcd_process.ts";
import { EtcdProcessError } from "../../etcd/process/etcd_process_error.ts";
import { EtcdSupervisor } from "../../etcd/process/etcd_supervisor.ts";
import { dataPaths, removeNewNode, writeRecord } from "../data_directory.ts";
import { DataDirGuard } from "../health/data_dir_guard.ts";
import { reportMissingPeers } from "../health/missing_peers.ts";
import { writeIdentity } from "../identity/identity.ts";
import { unregisterNode } from "../identity/node_register.ts";
import type { MemberHost, MemberInput, MemberMethods } from "./member_part.ts";

/** The longest time that timers can take; a member with peers waits for them as long as it takes. */
const FOREVER_MS = 2 ** 31 - 1;
/**
 * How long a member without peers may take to serve. It takes 0.2 s on a small
 * machine, and minutes where a large log is replayed from an SD card: ending it
 * meanwhile would only make it begin anew.
 */
const ALONE_MS = 300_000;

/** What the thread does when asked. */
export function memberMethods(): WorkerMethods<MemberMethods, MemberHost> {
  return new MemberThread();
}

class MemberThread implements WorkerMethods<MemberMethods, MemberHost> {
  /** The directory of the member, once it is served. */
  #guard: DataDirGuard | undefined;
  /** The etcd that was started or adopted last. */
  #current: () => EtcdProcess | undefined = () => undefined;
  readonly probeDisk = (dataDir: string) => probeDisk(dataDir);
  readonly diskSpace = (dataDir: string) => diskSpace(dataDir);

  async keepRecord(
    { dataDir, record }: Parameters<MemberMethods["keepRecord"]>[0],
  ): Promise<void> {
    await this.#guard?.assertThere();
    await writeRecord(dataPaths(dataDir), record);
  }

  async keepIdentity(
    { dataDir, identity }: Parameters<MemberMethods["keepIdentity"]>[0],
  ): Promise<void> {
    await this.#guard?.assertThere();
    await writeIdentity(dataPaths(dataDir).identity, identity);
  }

  async portHolder(): Promise<number | undefined> {
    const etcd = this.#current();
    return await etcd?.holdsPorts() ? etcd?.serial : undefined;
  }

  async serve(
    input: MemberInput,
    context: WorkerContext<MemberHost>,
  ): Promise<void> {
    const { signal, host } = context;
    const { adoptPid: pid } = input;
    const guard = this.#guard = await DataDirGuard.take(
      dataPaths(dirname(input.etcd.member.dataDir)),
    );
    const guarding = new AbortController();
    // The host ends the term while etcd still answers, and then this.
    guard.untilLost({ signal: AbortSignal.any([signal, guarding.signal]) })
      .then((why) => host.reportLost(why))
      .catch(() => {});
    const options = {
      ...input.etcd,
      health: { untilServing: host.untilServing },
    };
    const onState = ({ pid, state }: EtcdProcess) =>
      void host.reportEtcd({ pid, state });
    await using cleaning = new AsyncDisposableStack();
    await using etcd = pid === undefined
      ? await startEtcd(options, { signal })
      : await adoptEtcd(options, {
        pid,
        control: {
          isRunning: host.isOrphanRunning,
          signal: host.signalOrphan,
        },
      });
    this.#current = () => etcd;
    onState(etcd);
    await waitForMember(etcd, input, context).catch((error) => {
      if (error instanceof EtcdProcessError && error.failure === "data-lost") {
        guarding.abort(new Error("The new start leaves nothing"));
        cleaning.defer(() => removeNewNode(dirname(input.etcd.logFile)));
        cleaning.defer(() => unregisterNode(input.note));
      }
      throw error;
    });
    await using supervisor = new EtcdSupervisor(options, etcd, {
      onState,
      onKeepsEnding: (keepsEnding) => void host.report({ keepsEnding }),
    });
    this.#current = () => supervisor.current;
    onState(etcd);
    void host.report({ waitsFor: undefined, isUp: true });
    await host.reportServing();
    await aborted(signal);
  }
}

/** Waits until the member serves; with peers, as long as it takes, saying for which. */
async function waitForMember(
  etcd: EtcdProcess,
  { members }: MemberInput,
  { signal, host }: WorkerContext<MemberHost>,
): Promise<void> {
  const serving = new AbortController();
  const reports = reportMissingPeers(members, {
    missingPeers: (options) =>
      abortable(host.missingPeers(undefined, options), options.signal),
    // Its peers may come after days; this node has done what it can.
    onWait: (waitsFor) => void host.report({ waitsFor, isUp: true }),
    signal: AbortSignal.any([signal, serving.signal]),
    peers: () => etcd.peers(),
  });
  try {
    await etcd.waitUntilServing({
      signal,
      timeoutMs: members.length === 1 ? ALONE_MS : FOREVER_MS,
    });
  } finally {
    serving.abort();
    await reports;
  }
}
