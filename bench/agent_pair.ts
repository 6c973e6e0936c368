/**
 * Two agents on one etcd: one leads and the other waits.
 *
 * @module
 */

import { strictEqual } from "node:assert/strict";
import { sleep } from "../tests/machine/sleep.ts";
import { EtcdStore } from "../src/store/etcd/etcd_store.ts";
import { ELECTION_PREFIX } from "../src/store/keys.ts";
import {
  type AgentProcess,
  startAgent,
} from "../tests/machine/agent_process.ts";
import { makeCluster } from "../tests/machine/cluster_on_etcd.ts";
import { eventually } from "../tests/machine/eventually.ts";

/** Two agents; disposing stops them. */
export interface AgentPair extends AsyncDisposable {
  /** The one that leads. */
  readonly leader: AgentProcess;
  /** The other, which waits for its end. */
  readonly waiting: AgentProcess;
  /**
   * Once the leader has ended and the other leads: starts a new one, and waits
   * until it waits.
   */
  readonly replaceLeader: () => Promise<void>;
}

/** An agent that has put its key does not watch its predecessor yet. */
const SETTLING_MS = 200;

/** Starts them on the etcd at `endpoint`, with a lease of so many seconds. */
export async function startAgentPair(
  endpoint: string,
  leaseSeconds: number,
): Promise<AgentPair> {
  await makeCluster(endpoint, leaseSeconds);
  await using stack = new AsyncDisposableStack();
  const store = stack.use(new EtcdStore({ endpoints: [endpoint] }));
  let agents = 0;

  function start(): AgentProcess {
    return startAgent([
      "run",
      `--endpoints=${endpoint}`,
      `--node-name=n${++agents}`,
    ]);
  }

  async function startWaiting(): Promise<AgentProcess> {
    const agent = start();
    await agent.logged("Observing leader");
    await eventually(async () => {
      strictEqual((await store.list(ELECTION_PREFIX)).length, 2);
    });
    await sleep(SETTLING_MS);
    return agent;
  }

  let leader = start();
  await leader.logged("Became leader");
  let waiting = await startWaiting();
  const started = stack.move();
  return {
    get leader() {
      return leader;
    },
    get waiting() {
      return waiting;
    },
    async replaceLeader() {
      await leader.ended;
      leader = waiting;
      waiting = await startWaiting();
    },
    async [Symbol.asyncDispose]() {
      await waiting[Symbol.asyncDispose]();
      await leader[Symbol.asyncDispose]();
      await started.disposeAsync();
    },
  };
}
