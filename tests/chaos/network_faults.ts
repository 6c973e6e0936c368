/**
 * Faults of the network: by a proxy before one user of the store, or by the
 * packet filter of a node's own network.
 *
 * @module
 */

import type { TcpProxy } from "../fakes/tcp_proxy.ts";
import { type ClusterUnderTest, raftLeader } from "./cluster_under_test.ts";
import type { FaultContext, FaultKind, FaultResult } from "./fault_kind.ts";
import type { Cut, Undo } from "./node_network.ts";

/** A disturbance of one proxy. */
function onLink(
  name: string,
  disturb: (proxy: TcpProxy, context: FaultContext) => void,
): FaultKind {
  return {
    name,
    mild: "link",
    lacks: ({ links }) => links.size === 0 ? "a proxy" : undefined,
    async inflict(context) {
      const { cluster, random, sleep } = context;
      // The targets prefer leaders, so their links are disturbed twice as often.
      const preferred = [context.node.name, context.candidate.name]
        .filter((one) => cluster.links.has(one));
      const target = random.pick([...cluster.links.keys(), ...preferred]);
      const proxy = cluster.links.get(target);
      if (!proxy) return { target: [target], proof: null };
      const before = proxy.disturbed;
      disturb(proxy, context);
      await sleep(random.integer(500, 9_000));
      proxy.delay(0);
      proxy.resume();
      const count = proxy.disturbed - before;
      return {
        target: [target],
        proof: count > 0 ? `${count} pieces or connections disturbed` : null,
      };
    },
  };
}

/** A cut of one node's network, chosen when it is done. */
function onNode(
  name: string,
  cuts: (context: FaultContext) => readonly Cut[],
  options: { readonly leader?: boolean } = {},
): FaultKind {
  return {
    name,
    lacks: lacksCuts,
    async inflict(context) {
      const node = options.leader
        ? await raftLeader(context.cluster) ?? context.node
        : context.node;
      return await hold(
        { ...context, node },
        (network) => network.cut(cuts({ ...context, node })),
      );
    },
  };
}

async function hold(
  { cluster, node, random, sleep }: FaultContext,
  disturb: (
    network: NonNullable<ReturnType<ClusterUnderTest["networks"]["get"]>>,
  ) => Promise<Undo>,
): Promise<FaultResult> {
  const network = cluster.networks.get(node.name);
  if (!network) return { target: [node.name], proof: null };
  const undo = await disturb(network);
  await sleep(random.integer(1_000, 10_000));
  return { target: [node.name], proof: await undo() };
}

function lacksCuts({ networks }: ClusterUnderTest): string | undefined {
  if (networks.size === 0) return "networks of nodes";
  const all = [...networks.values()];
  return all.every(({ canCut }) => canCut) ? undefined : "nft";
}

/** Everything through one port of the node, in both directions. */
function portOnly(which: "client" | "peer") {
  return ({ cluster }: FaultContext): Cut[] =>
    ["dport", "sport"].map((side) => {
      const condition = `tcp ${side} ${cluster.ports[which]}`;
      return { input: condition, output: condition };
    });
}

/** Only the cable between the node and one other; both still see the third. */
function oneCable({ cluster, node, random }: FaultContext): Cut[] {
  const others = [...cluster.networks].filter(([name]) => name !== node.name);
  const [, { address }] = random.pick(others);
  return [{ input: `ip saddr ${address}`, output: `ip daddr ${address}` }];
}

/** All of them. */
export const NETWORK_FAULTS: readonly FaultKind[] = [
  onLink("cut connections", (proxy) => proxy.cut()),
  onLink("partition by proxy", (proxy) => proxy.pause()),
  onLink("answers held back by proxy", (proxy) => proxy.pauseAnswers()),
  onLink("delay by proxy", (proxy, { random }) => {
    proxy.delay(random.integer(75, 500));
  }),
  onNode("isolate node", () => [{ input: "", output: "" }]),
  onNode("isolate etcd's leader", () => [{ input: "", output: "" }], {
    leader: true,
  }),
  onNode("node hears nothing", () => [{ input: "" }]),
  onNode("node says nothing", () => [{ output: "" }]),
  onNode("cut client port", portOnly("client")),
  onNode("cut peer port", portOnly("peer")),
  onNode("cut one cable of three", oneCable),
  onNode("lose 30 % of packets", () => [
    { input: "numgen random mod 100 < 30" },
  ]),
  onNode("reset client connections", ({ cluster }) => [{
    input: `tcp dport ${cluster.ports.client}`,
    verdict: "reject with tcp reset",
  }]),
  {
    name: "slow network",
    lacks: ({ networks }) =>
      networks.size === 0 ? "networks of nodes" : undefined,
    inflict: (context) =>
      hold(context, (network) => network.slow(context.random.pick([64, 256]))),
  },
];
