/**
 * Makes the two clusters that a run can be about.
 *
 * @module
 */

import { writeClusterFile } from "../machine/cluster_file.ts";
import { startTcpProxy, type TcpProxy } from "../fakes/tcp_proxy.ts";
import type { CandidateNote } from "./chaos_candidate.ts";
import { CandidateProcess } from "./candidate_process.ts";
import { ChaosNode } from "./chaos_node.ts";
import type { ClusterUnderTest } from "./cluster_under_test.ts";
import { run } from "../machine/command_output.ts";
import type { HistoryRecord } from "../history/history.ts";
import {
  endNetworks,
  type NodeNetwork,
  startNetworks,
} from "./node_network.ts";
import type { Random } from "../simulation/random.ts";
import type { Sandbox } from "./sandbox.ts";

/** Options of {@linkcode startCluster}. */
export interface ClusterOptions {
  /** How many members etcd has. */
  readonly members: 1 | 3;
  /** What keeps it apart from the machine. */
  readonly sandbox: Sandbox;
  /** A directory for data, which the caller removes. */
  readonly dataDir: string;
  /** A directory for logs. */
  readonly logDir: string;
  /** The lease of leaders, in seconds. */
  readonly leaseSeconds: number;
  /** The size at which etcd refuses to grow, in bytes. */
  readonly quotaBytes: number;
  /** Where choices come from. */
  readonly random: Random;
  /** Told of each record. */
  readonly append: (record: HistoryRecord) => void;
  /** Told when a candidate's term ended. */
  readonly onOver: (note: CandidateNote & { readonly type: "over" }) => void;
}

const LOOPBACKS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
/** Room for etcd's two preallocated logs and a database. */
const SMALL_DISK = "256m";
const FAKETIME_PLACES = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib64/faketime/libfaketime.so.1",
];

/** Starts all nodes and candidates; resolves when a leader was elected. */
export async function startCluster(
  options: ClusterOptions,
): Promise<ClusterUnderTest> {
  const { members, sandbox, dataDir } = options;
  const clock = await ownClock(dataDir);
  await using undo = new AsyncDisposableStack();
  const networks = members === 3 && sandbox === "namespaces"
    ? await startNetworks(3)
    : [];
  if (networks.length > 0) undo.defer(() => endNetworks(networks));
  const file = await writeClusterFile(dataDir, {
    spec: {
      leaderLeaseSeconds: options.leaseSeconds,
      // A busy disk would make etcd patient, and with it the lease and the
      // faults that are to outlast it.
      etcd:
        `{ quotaBackendBytes: ${options.quotaBytes}, heartbeatIntervalMs: 100, electionTimeoutMs: 1000 }`,
    },
    hostnames: members === 3 && networks.length === 0
      ? LOOPBACKS
      : ["127.0.0.1"],
  });
  const ports = { client: file.clientPort, peer: file.peerPort };
  const links = new Map<string, TcpProxy>();
  const link = (name: string, host?: string): string => {
    const proxy = undo.use(startTcpProxy(ports.client, host));
    links.set(name, proxy);
    return proxy.endpoint;
  };
  const plan = members === 1
    ? planOne(options, file.path, ports, link)
    : planThree(options, file.path, { ports, networks, link });
  const smallDisk = members === 3 && sandbox === "namespaces"
    ? { node: "n2", path: `${dataDir}/n2` }
    : undefined;
  if (smallDisk) {
    await Deno.mkdir(smallDisk.path, { mode: 0o700 });
    await run(
      ...["mount", "-t", "tmpfs", "-o", `size=${SMALL_DISK},mode=0700`],
      ...["chaos", smallDisk.path],
    );
    undo.defer(async () => void await run("umount", "-l", smallDisk.path));
  }
  const nodes = plan.nodes.map((node) =>
    undo.use(
      new ChaosNode({
        ...node,
        logDir: options.logDir,
        append: options.append,
        ...(node.name === "n3" && clock
          ? { env: clock.env, hasOwnClock: true }
          : {}),
      }),
    )
  );
  const candidates = plan.candidates.map(({ prefix, ...candidate }) =>
    undo.use(
      new CandidateProcess({
        ...candidate,
        leaseSeconds: options.leaseSeconds,
        seed: () => options.random.integer(0, 2 ** 31),
        append: options.append,
        onOver: options.onOver,
        prefix: candidate.name === "c3" && clock
          ? [...prefix, ...clock.prefix]
          : prefix,
      }),
    )
  );
  const first = nodes.slice(0, members);
  for (const node of first) node.start();
  await Promise.any(
    first.map((node) => node.agent.logged("Became leader: ")),
  );
  for (const node of nodes.slice(members)) node.start();
  for (const candidate of candidates) candidate.start();
  const all = undo.move();
  return {
    members,
    nodes,
    candidates,
    links,
    networks: new Map(
      networks.map((network, index) => [`n${index + 1}`, network]),
    ),
    clients: plan.clients,
    ports,
    ...(smallDisk === undefined ? {} : { smallDisk }),
    clockFile: clock?.file,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

interface Ports {
  readonly client: number;
  readonly peer: number;
}

interface Plan {
  readonly nodes: readonly {
    readonly name: string;
    readonly firstArgs: readonly string[];
    readonly laterArgs: readonly string[];
    readonly etcdDir?: string;
    readonly endpoint?: string;
    readonly prefix?: readonly string[];
  }[];
  readonly candidates: readonly {
    readonly name: string;
    readonly endpoints: readonly string[];
    readonly prefix: readonly string[];
  }[];
  readonly clients: readonly (readonly string[])[];
}

/** One node with its etcd, and others that use it through proxies. */
function planOne(
  { dataDir }: ClusterOptions,
  configPath: string,
  { client }: Ports,
  link: (name: string) => string,
): Plan {
  const endpoint = `http://127.0.0.1:${client}`;
  const data = `${dataDir}/n1`;
  const external = ["n2", "n3"].map((name) => {
    const args = ["run", `--endpoints=${link(name)}`, `--node-name=${name}`];
    return { name, firstArgs: args, laterArgs: args };
  });
  return {
    nodes: [{
      name: "n1",
      firstArgs: [
        "init",
        `--config=${configPath}`,
        `--data-dir=${data}`,
        "--node-name=n1",
      ],
      laterArgs: ["run", `--data-dir=${data}`],
      etcdDir: `${data}/etcd`,
      endpoint,
    }, ...external],
    candidates: ["c1", "c2", "c3"].map((name) => ({
      name,
      endpoints: [link(name)],
      prefix: [],
    })),
    clients: [
      ...Array(6).fill([endpoint]),
      ...Array(2).fill([link("traffic")]),
    ],
  };
}

/** Three nodes, each with its etcd and a candidate. */
function planThree(
  { dataDir }: ClusterOptions,
  configPath: string,
  { ports: { client, peer }, networks, link }: {
    readonly ports: Ports;
    readonly networks: readonly NodeNetwork[];
    readonly link: (name: string, host: string) => string;
  },
): Plan {
  const addresses = networks.length > 0
    ? networks.map(({ address }) => address)
    : LOOPBACKS;
  const names = addresses.map((_, index) => `n${index + 1}`);
  const urls = addresses.map((address) => `http://${address}:${client}`);
  const initial = addresses
    .map((address, index) => `${names[index]}=http://${address}:${peer}`)
    .join(",");
  return {
    nodes: names.map((name, index) => ({
      name,
      firstArgs: [
        "init",
        `--config=${configPath}`,
        `--data-dir=${dataDir}/${name}`,
        `--node-name=${name}`,
        `--advertise-address=${addresses[index]}`,
        `--initial-cluster=${initial}`,
      ],
      laterArgs: ["run", `--data-dir=${dataDir}/${name}`],
      etcdDir: `${dataDir}/${name}/etcd`,
      endpoint: urls[index] ?? "",
      prefix: networks[index]?.prefix ?? [],
    })),
    candidates: addresses.map((address, index) => ({
      name: `c${index + 1}`,
      // Without networks of their own, candidates are cut off by proxies.
      endpoints: networks.length > 0
        ? [...urls.slice(index), ...urls.slice(0, index)]
        : [link(`c${index + 1}`, address)],
      prefix: networks[index]?.prefix ?? [],
    })),
    clients: [...urls, ...urls].map((url) => [url] as readonly string[])
      .concat([urls, urls.toReversed()]),
  };
}

interface OwnClock {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  readonly prefix: readonly string[];
}

/** A wall clock that a file moves; undefined where libfaketime is not installed. */
async function ownClock(dir: string): Promise<OwnClock | undefined> {
  for (const library of FAKETIME_PLACES) {
    const info = await Deno.stat(library).catch(() => undefined);
    if (!info?.isFile) continue;
    const file = `${dir}/clock`;
    await Deno.writeTextFile(file, "+0\n");
    const env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    const assignments = Object.entries(env)
      .map(([name, value]) => `${name}=${value}`);
    return { file, env, prefix: ["/usr/bin/env", ...assignments] };
  }
  return undefined;
}
