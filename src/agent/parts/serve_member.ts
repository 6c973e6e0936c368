/**
 * A member's life, from the start of its etcd to the end: what
 * {@linkcode MemberPart} runs in its Worker.
 *
 * @module
 */

import { aborted } from "../../base/abortable.ts";
import type { CallContext, Calls } from "../../base/worker/serve_calls.ts";
import { adoptEtcd } from "../../etcd/process/adopt_etcd.ts";
import { probeDisk } from "../../etcd/disk_probe.ts";
import {
  type EtcdProcess,
  startEtcd,
} from "../../etcd/process/etcd_process.ts";
import { EtcdSupervisor } from "../../etcd/process/etcd_supervisor.ts";
import { dataPaths, writeRecord } from "../data_directory.ts";
import { diskSpace } from "../../base/disk_space.ts";
import { writeIdentity } from "../identity/identity.ts";
import type { MemberCalls, MemberInput, MemberNews } from "./member_part.ts";
import { reportMissingPeers } from "../health/missing_peers.ts";

/** The longest time that timers can take; a member with peers waits for them as long as it takes. */
const FOREVER_MS = 2 ** 31 - 1;
/**
 * How long a member without peers may take to serve. It takes 0.2 s on a small
 * machine, and minutes where a large log is replayed from an SD card: ending it
 * meanwhile would only make it begin anew.
 */
const ALONE_MS = 300_000;

/** The etcd that was started last. */
let current: () => EtcdProcess | undefined = () => undefined;

/** What the part does when asked. */
export const memberCalls: Calls<MemberCalls> = {
  serve: serveMember,
  remember: ({ dataDir, record }) => writeRecord(dataPaths(dataDir), record),
  identify: ({ dataDir, identity }) =>
    writeIdentity(dataPaths(dataDir).identity, identity),
  probeDisk: (dataDir) => probeDisk(dataDir),
  diskSpace: (dataDir) => diskSpace(dataDir),
  answers: async (_, options) => await current()?.answers(options) ?? false,
  serves: async (_, options) => await current()?.serves(options) ?? false,
};

async function serveMember(
  input: MemberInput,
  context: CallContext<MemberNews>,
): Promise<void> {
  const { signal, tell } = context;
  const onState = ({ pid, state }: EtcdProcess) =>
    void tell({ etcd: { pid, state } });
  await using etcd = input.adoptPid === undefined
    ? await startEtcd(input.etcd, { signal })
    : await adoptEtcd(input.etcd, {
      pid: input.adoptPid,
      host: {
        lives: async () => await tell({ adopted: "lives?" }) === true,
        signal: async (signal) => void await tell({ adopted: signal }),
      },
    });
  current = () => etcd;
  onState(etcd);
  await waitForMember(etcd, input, context);
  await using supervisor = new EtcdSupervisor(input.etcd, etcd, {
    onState,
    onKeepsEnding: (keepsEnding) => void tell({ keepsEnding }),
  });
  current = () => supervisor.current;
  onState(etcd);
  await tell({ waitsFor: undefined, isUp: true, serves: true });
  await aborted(signal);
}

/** Waits until the member serves; with peers, as long as it takes, saying for whom. */
async function waitForMember(
  etcd: EtcdProcess,
  { members, nodeName }: MemberInput,
  { signal, tell }: CallContext<MemberNews>,
): Promise<void> {
  const serving = new AbortController();
  const reports = reportMissingPeers(members, {
    nodeName,
    // Its peers may come after days; this node has done its part.
    onWait: (waitsFor) => void tell({ waitsFor, isUp: true }),
    signal: AbortSignal.any([signal, serving.signal]),
    whyRefused: () => etcd.whyRefused(),
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
