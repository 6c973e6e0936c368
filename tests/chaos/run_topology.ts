/**
 * One run on one kind of cluster, from the first start to the verdict.
 *
 * @module
 */

import { ELECTION_PREFIX } from "../../src/store/keys.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { versionText } from "../../src/etcd/etcd_version.ts";
import { VERSION } from "../../src/base/version.ts";
import { compareMembers, endAndLook, scanProcesses } from "./aftermath.ts";
import { compactNowAndThen, markEnd, startTraffic } from "./background.ts";
import {
  type CheckedInvariant,
  checkHistory,
} from "../history/check_history.ts";
import { endpointsOf, memberNodes } from "./cluster_under_test.ts";
import type { HistoryRecord } from "../history/history.ts";
import { HistoryWriter, readHistory } from "../history/history_file.ts";
import { measure, type Measures, type Resignation } from "./measures.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";
import { Random } from "../simulation/random.ts";
import { RecordingStore } from "./recording_store.ts";
import { startRecorder } from "./recorder.ts";
import type { Sandbox } from "./sandbox.ts";
import { startCluster } from "./start_cluster.ts";
import { injectFaults, untilRecovered } from "./inject_faults.ts";
import { LEASED_PREFIX } from "./traffic_leases.ts";
import { sleep } from "../machine/sleep.ts";

/** Options of {@linkcode runTopology}. */
export interface TopologyOptions {
  /** How many members etcd has. */
  readonly members: 1 | 3;
  /** Makes the choices of the run again. */
  readonly seed: number;
  /** How many faults there are at least. */
  readonly faults: number;
  /** How long faults go on at least, in milliseconds. */
  readonly ms: number;
  /** Operations per second that the traffic aims at. */
  readonly perSecond: number;
  /** The pause after each fault, on average, in milliseconds. */
  readonly calmMs: number;
  /** What isolates it from the machine. */
  readonly sandbox: Sandbox;
  /** Where the history and the logs are left. */
  readonly outputDir: string;
  /** Told of the progress, for people. */
  readonly log: (line: string) => void;
  /** Ends the run early; the checkers then get what was recorded. */
  readonly signal: AbortSignal;
}

/** What a run showed. */
export interface TopologyResult {
  /** How many members etcd had. */
  readonly members: 1 | 3;
  /** The seed. */
  readonly seed: number;
  /** The history's path. */
  readonly path: string;
  /** What the checkers say. */
  readonly lines: readonly CheckedInvariant[];
  /** The figures. */
  readonly measures: Measures;
  /** Faults by kind: how many were tried, and how many of them had a proven effect. */
  readonly faults: ReadonlyMap<
    string,
    { readonly tried: number; readonly proven: number }
  >;
  /** Kinds that need something that this machine or cluster lacks, with what that is. */
  readonly missing: ReadonlyMap<string, string>;
  /** What no fault explains. */
  readonly incidents: readonly string[];
}

const LEASE_SECONDS = 3;
const QUOTA_BYTES = 32 * 2 ** 20;
/** Traffic without faults at the beginning, in milliseconds: the normal rate. */
const CALM_MS = 5_000;
/** How long a watch may take to show a marker, in milliseconds, with a reserve. */
const MARKER_MS = 6_000;

/** Runs, ends everything, and checks the history. */
export async function runTopology(
  options: TopologyOptions,
): Promise<TopologyResult> {
  const { members, seed, outputDir, log } = options;
  await Deno.mkdir(outputDir, { recursive: true });
  const path = `${outputDir}/history.jsonl`;
  const incidents: string[] = [];
  const resignations: Resignation[] = [];
  let missing: ReadonlyMap<string, string>;
  {
    await using writer = await HistoryWriter.open(path);
    writer.append({
      type: "history",
      format: 1,
      seed,
      versions: {
        etcd: versionText(etcdBinaries.version),
        agent: VERSION,
        deno: Deno.version.deno,
        host: `${Deno.build.target} ${Deno.osRelease()}`,
        sandbox: options.sandbox,
      },
      members,
      lease_ttl_ms: LEASE_SECONDS * 1_000,
      election_prefix: ELECTION_PREFIX,
      foreign_prefixes: ["/kat/", LEASED_PREFIX],
    });
    const append = (record: HistoryRecord) => writer.append(record);
    missing = await runRecorded({ options, append, incidents, resignations });
  }
  log("checking the history");
  const history = await readHistory(path);
  const faults = new Map<string, { tried: number; proven: number }>();
  for (const { kind, proof } of history.faults) {
    const { tried, proven } = faults.get(kind) ?? { tried: 0, proven: 0 };
    const more = proof === null ? 0 : 1;
    faults.set(kind, { tried: tried + 1, proven: proven + more });
  }
  return {
    members,
    seed,
    path,
    lines: checkHistory(history),
    measures: measure(history, resignations),
    faults,
    missing,
    incidents,
  };
}

/** The part of a run that is recorded. */
async function runRecorded(
  { options, append, incidents, resignations }: {
    readonly options: TopologyOptions;
    readonly append: (record: HistoryRecord) => void;
    readonly incidents: string[];
    readonly resignations: Resignation[];
  },
): Promise<ReadonlyMap<string, string>> {
  const { members, outputDir, log, signal } = options;
  const random = new Random(options.seed);
  const dataDir = await Deno.makeTempDir({ prefix: "kat-chaos-" });
  await using undo = new AsyncDisposableStack();
  undo.defer(() => Deno.remove(dataDir, { recursive: true }));
  const leaseMs = LEASE_SECONDS * 1_000;
  const cluster = undo.use(
    await startCluster({
      members,
      sandbox: options.sandbox,
      dataDir,
      logDir: outputDir,
      leaseSeconds: LEASE_SECONDS,
      quotaBytes: QUOTA_BYTES,
      random: random.fork(),
      append,
      onOver({ at_ns, token, byChoice }) {
        if (byChoice) resignations.push({ atNs: at_ns, token });
      },
    }),
  );
  const recorders = memberNodes(cluster).map(({ name, setting }) =>
    undo.use(startRecorder({
      member: name,
      endpoint: setting.endpoint ?? "",
      fromRevision: 1,
      append,
    }))
  );
  const store = undo.use(
    new RecordingStore({
      endpoints: endpointsOf(cluster),
      process: "overseer",
      append,
    }),
  );
  const incident = (line: string) => {
    log(`! ${line}`);
    incidents.push(line);
  };
  const recovery = { store, incident, signal };
  await untilRecovered(cluster, recovery);
  const mark = (name: "start" | "end") =>
    append({ type: "mark", name, at_ns: monotonicNs() });
  mark("start");
  const traffic = undo.use(
    startTraffic(cluster, {
      seed: random.integer(0, 2 ** 31),
      perSecond: options.perSecond,
      append,
      incident,
    }),
  );
  let missing: ReadonlyMap<string, string>;
  {
    using _scan = scanProcesses(cluster, append);
    using _compaction = compactNowAndThen(cluster, recorders, random.fork());
    await sleep(CALM_MS, signal);
    missing = await injectFaults({
      cluster,
      random: random.fork(),
      recorders,
      store,
      leaseMs,
      quotaBytes: QUOTA_BYTES,
      sleep: (ms) => sleep(ms, signal),
      faults: options.faults,
      ms: options.ms,
      calmMs: options.calmMs,
      append,
      log,
      incident,
      signal,
    });
    await untilRecovered(cluster, recovery);
    traffic.tell("quiet");
    await traffic.quiet;
    for (const candidate of cluster.candidates) {
      await candidate[Symbol.asyncDispose]();
    }
  }
  const revision = await markEnd(store, { append, recorders });
  mark("end");
  await sleep(MARKER_MS, signal);
  await traffic[Symbol.asyncDispose]();
  await compareMembers(cluster, append);
  log("ending everything");
  await endAndLook(cluster, { append, leaseMs, revision, dataDir });
  for (const { member, failure } of recorders) {
    if (failure) incident(`The recorder of ${member} has a gap: ${failure}`);
  }
  for (const { incidents } of [...cluster.nodes, ...cluster.candidates]) {
    incidents.forEach(incident);
  }
  return missing;
}
