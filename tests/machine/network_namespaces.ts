/**
 * Two network namespaces with a cable between them: each has nothing but a
 * loopback of its own and one end of the cable.
 *
 * @module
 */

import { fail } from "node:assert/strict";
import { run } from "./command_output.ts";

/** One end of the cable. */
export interface NetworkNode {
  /** Its addresses on the cable; the second is one more of the same node. */
  readonly addresses: readonly [string, string];
  /** What, put before a command, runs it there. */
  readonly prefix: readonly string[];
}

/** The two ends; disposing removes them with what is between them. */
export interface NetworkPair extends AsyncDisposable {
  /** One. */
  readonly here: NetworkNode;
  /** The other. */
  readonly there: NetworkNode;
}

/** Makes the two; nothing outside of them changes. */
export async function networkPair(): Promise<NetworkPair> {
  const id = crypto.randomUUID().slice(0, 8);
  const names = [`kat-test-${id}-a`, `kat-test-${id}-b`] as const;
  const made: string[] = [];
  async function remove(): Promise<void> {
    for (const name of made.splice(0)) await run("ip", "netns", "delete", name);
  }
  try {
    for (const name of names) {
      await run("ip", "netns", "add", name);
      made.push(name);
    }
    const [a, b] = names;
    await run(
      "ip",
      ...["link", "add", "cable", "netns", a, "type", "veth"],
      ...["peer", "name", "cable", "netns", b],
    );
    const nodes: NetworkNode[] = [];
    for (const [index, name] of names.entries()) {
      const addresses = [`10.77.0.${index + 1}`, `10.77.1.${index + 1}`];
      const [first = "", second = ""] = addresses;
      for (const address of addresses) {
        const add = ["address", "add", `${address}/24`, "dev", "cable"];
        await run("ip", "-n", name, ...add);
      }
      await run("ip", "-n", name, "link", "set", "cable", "up");
      await run("ip", "-n", name, "link", "set", "lo", "up");
      nodes.push({
        addresses: [first, second],
        prefix: ["ip", "netns", "exec", name],
      });
    }
    const [here, there] = nodes;
    if (!here || !there) fail();
    return { here, there, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Why no such pair can be made here; `undefined` if one can. */
export async function whyNoNetworkPair(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "this is no Linux";
  if (Deno.uid() !== 0) return "only root may make network namespaces";
  try {
    await using _pair = await networkPair();
    return undefined;
  } catch (error) {
    return String(error);
  }
}
