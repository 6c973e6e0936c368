/**
 * A client of etcd in a process of its own, which does what it is asked for.
 *
 * Each is alone in its process, so that none has to share a heap or an event
 * loop with another, or with the bench.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Request } from "./serve_requests.ts";
import type { GoPrograms } from "./go_programs.ts";

/** A running peer; disposing ends it. */
export interface Peer extends AsyncDisposable {
  /** Its name in the tables. */
  readonly name: string;
  /** Asks for something and waits for the answer; one at a time. */
  readonly ask: <Answer>(request: Request) => Promise<Answer>;
  /** Waits for one more answer to the last request. */
  readonly answer: <Answer>() => Promise<Answer>;
}

/** The peers that stand against each other. */
export type PeerName = "StateStore" | "etcd3" | "Go clientv3";

const SERVE = fileURLToPath(new URL("./serve_requests.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** The store in a process of its own. */
export function storePeer(endpoint: string): Peer {
  return denoPeer("StateStore", "store", endpoint);
}

/** The store, then etcd3, then Go's clientv3 if it could be built. */
export function startPeers(
  endpoint: string,
  { go, without = [] }: {
    readonly go: GoPrograms | undefined;
    /** Those to leave out. */
    readonly without?: readonly PeerName[];
  },
): AsyncDisposable & { readonly peers: readonly Peer[] } {
  const stack = new AsyncDisposableStack();
  const peers = [
    storePeer(endpoint),
    ...(without.includes("etcd3")
      ? []
      : [denoPeer("etcd3", "etcd3", endpoint)]),
    ...(go ? [startPeer("Go clientv3", [go.client, endpoint])] : []),
  ];
  for (const peer of peers) stack.use(peer);
  return { peers, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function denoPeer(name: PeerName, kind: string, endpoint: string): Peer {
  const options = ["-A", "--frozen", `--config=${CONFIG}`];
  const command = [Deno.execPath(), "run", ...options, SERVE, kind, endpoint];
  return startPeer(name, command);
}

function startPeer(
  name: PeerName,
  [program = "", ...args]: readonly string[],
): Peer {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close");
  const lines = createInterface({ input: child.stdout })
    [Symbol.asyncIterator]();
  async function answer<Answer>(): Promise<Answer> {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended before it answered`);
    return JSON.parse(value);
  }
  return {
    name,
    ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return answer();
    },
    answer,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}
