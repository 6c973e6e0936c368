/**
 * A network of nodes, each in a namespace of its own and joined by a bridge,
 * whose cables can be cut for some traffic and made slow.
 *
 * Namespaces belong to the processes in them: nothing is left of them.
 *
 * @module
 */

import { eventually } from "../machine/eventually.ts";
import { findProgram, run } from "../machine/command_output.ts";

/** The address of the run itself. */
const SUBNET = "10.77.0";
const BRIDGE = "nodes";

/** What a cut takes away, as conditions of nft. */
export interface Cut {
  /** Conditions on packets that come to the node; undefined lets all pass. */
  readonly input?: string;
  /** Conditions on packets that leave it. */
  readonly output?: string;
  /** What is done with them. @default {"drop"} */
  readonly verdict?: string;
}

/** One node's end of the network; disposing takes it away. */
export interface NodeNetwork extends AsyncDisposable {
  /** The node's address. */
  readonly address: string;
  /** The command that runs another inside it. */
  readonly prefix: readonly string[];
  /** Whether traffic can be cut: needs `nft`. */
  readonly canCut: boolean;
  /** Cuts traffic. Undoing it says how many packets were refused. */
  readonly cut: (cuts: readonly Cut[]) => Promise<Undo>;
  /** Lets so many kilobits through in a second, the rest waits. */
  readonly slow: (kilobits: number) => Promise<Undo>;
}

/** Undoes a fault; resolves with the proof of its effect, `null` without one. */
export type Undo = () => Promise<string | null>;

/** Joins `count` nodes. */
export async function startNetworks(count: number): Promise<NodeNetwork[]> {
  await run("ip", "link", "add", BRIDGE, "type", "bridge");
  await run("ip", "address", "add", `${SUBNET}.254/24`, "dev", BRIDGE);
  await run("ip", "link", "set", BRIDGE, "up");
  const networks: NodeNetwork[] = [];
  for (let number = 1; number <= count; number++) {
    networks.push(await startNetwork(number));
  }
  return networks;
}

/** Takes the bridge away, so that the next network can have it. */
export async function endNetworks(
  networks: readonly NodeNetwork[],
): Promise<void> {
  for (const network of networks) await network[Symbol.asyncDispose]();
  await run("ip", "link", "delete", BRIDGE);
}

async function startNetwork(number: number): Promise<NodeNetwork> {
  const [nsenter = "nsenter", nft] = await Promise.all([
    findProgram("nsenter"),
    findProgram("nft"),
  ]);
  const holder = new Deno.Command("unshare", {
    args: ["--net", "sleep", "infinity"],
    stdin: "null",
  }).spawn();
  const namespace = `/proc/${holder.pid}/ns/net`;
  await eventually(async () => {
    const own = await Deno.readLink("/proc/self/ns/net");
    if (await Deno.readLink(namespace) === own) throw new Error("not yet");
  });
  const prefix = [nsenter, `--net=${namespace}`];
  const inside = (...command: string[]) => run(...prefix, ...command);
  const port = `node${number}`;
  const address = `${SUBNET}.${number}`;
  const veth = ["type", "veth", "peer", "name", "eth0"];
  const inNode = ["netns", String(holder.pid)];
  await run("ip", "link", "add", port, ...veth, ...inNode);
  await run("ip", "link", "set", port, "master", BRIDGE, "up");
  await inside("ip", "address", "add", `${address}/24`, "dev", "eth0");
  await inside("ip", "link", "set", "eth0", "up");
  await inside("ip", "link", "set", "lo", "up");

  async function cut(cuts: readonly Cut[]): Promise<Undo> {
    if (nft === undefined) throw new Error("There is no nft");
    const table = `fault${cutCount++}`;
    const rules = (hook: "input" | "output") =>
      cuts.flatMap(({ [hook]: condition, verdict = "drop" }) => {
        const side = hook === "input" ? "iifname" : "oifname";
        if (condition === undefined) return [];
        return [
          `add rule inet ${table} ${hook} ${side} "eth0" ${condition} counter ${verdict}`,
        ];
      });
    const chain = (hook: string) =>
      `add chain inet ${table} ${hook} { type filter hook ${hook} priority 0; }`;
    const script = [
      `add table inet ${table}`,
      chain("input"),
      chain("output"),
      ...rules("input"),
      ...rules("output"),
    ].join("; ");
    await inside(nft, script);
    return async () => {
      const listing = await inside(nft, "list", "table", "inet", table);
      await inside(nft, "delete", "table", "inet", table);
      const packets = [...listing.matchAll(/counter packets (\d+)/g)]
        .map(([, digits]) => Number(digits));
      const sum = packets.reduce((one, other) => one + other, 0);
      return sum > 0 ? `${sum} packets refused (${packets.join("+")})` : null;
    };
  }

  async function slow(kilobits: number): Promise<Undo> {
    const rate = ["rate", `${kilobits}kbit`, "burst", "4k", "latency", "800ms"];
    await run("tc", "qdisc", "add", "dev", port, "root", "tbf", ...rate);
    return async () => {
      const text = await run("tc", "-s", "qdisc", "show", "dev", port);
      await run("tc", "qdisc", "delete", "dev", port, "root");
      const [, dropped, overlimits] =
        /dropped (\d+), overlimits (\d+)/.exec(text) ?? [];
      return Number(overlimits) > 0
        ? `${overlimits} packets had to wait, ${dropped} were dropped`
        : null;
    };
  }

  return {
    address,
    prefix,
    canCut: nft !== undefined,
    cut,
    slow,
    async [Symbol.asyncDispose]() {
      holder.kill("SIGKILL");
      await holder.status;
      // With the namespace goes its end of the cable, and with that the other.
      await run("ip", "link", "delete", port).catch(() => {});
    },
  };
}

/** Names the tables of cuts that are there at once. */
let cutCount = 0;
