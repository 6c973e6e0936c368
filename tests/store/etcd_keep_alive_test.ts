import { rejects, strictEqual } from "node:assert/strict";
import type {
  ILeaseKeepAliveRequest,
  ILeaseKeepAliveResponse,
} from "etcd3/lib/rpc.js";
import { EtcdClient } from "../../src/etcd/client/etcd_client.ts";
import { readMemberStatus } from "../../src/etcd/client/member_status.ts";
import {
  type EtcdProcess,
  startEtcd,
} from "../../src/etcd/process/etcd_process.ts";
import { EtcdElectionPort } from "../../src/store/etcd/etcd_election_port.ts";
import { EtcdKeepAlive } from "../../src/store/etcd/etcd_keep_alive.ts";
import { StoreUnavailableError } from "../../src/store/state_store.ts";
import { freePorts } from "../machine/free_ports.ts";
import { type TestMember, testMember } from "../machine/test_member.ts";

/** For this long, at least, etcd's leader does not notice that it has no followers. */
const TIMING = { heartbeatIntervalMs: 300, electionTimeoutMs: 3_000 };
const ANSWER = { timeoutMs: 2_000 };

/** Three members of one cluster, running. */
async function startThree(
  stack: AsyncDisposableStack,
): Promise<{ member: TestMember; etcd: EtcdProcess }[]> {
  const peers = freePorts(3).map((port, index) => ({
    name: `n${index + 1}`,
    peerUrl: `http://127.0.0.1:${port}`,
  }));
  return await Promise.all(peers.map(async ({ name, peerUrl }) => {
    const member = stack.use(
      await testMember({ ...TIMING, name, peerUrl, initialCluster: peers }),
    );
    const etcd = stack.use(await startEtcd(member.options));
    await etcd.waitUntilServing();
    return { member, etcd };
  }));
}

Deno.test("EtcdKeepAlive does not trust a leader without followers that still renews leases", async () => {
  await using stack = new AsyncDisposableStack();
  const nodes = await startThree(stack);
  const statuses = await Promise.all(
    nodes.map(({ member }) => readMemberStatus(member.clientUrl)),
  );
  const leads = statuses.findIndex(({ memberId, leaderId }) =>
    memberId === leaderId
  );
  const leader = nodes[leads] ?? nodes[0];
  const client = stack.use(new EtcdClient([leader?.member.clientUrl ?? ""]));
  const port = new EtcdElectionPort(client);
  const { id, ttlMs } = await port.grantLease(60, ANSWER);
  using renewals = await EtcdKeepAlive.open(client, id, ANSWER);
  using bare = await client.stream<
    ILeaseKeepAliveRequest,
    ILeaseKeepAliveResponse
  >("Lease", "leaseKeepAlive", ANSWER);
  renewals.renew();
  strictEqual(await renewals.next(), ttlMs);

  const others = nodes.filter((node) => node !== leader);
  for (const { etcd } of others) Deno.kill(etcd.pid, "SIGSTOP");
  try {
    bare.write({ ID: id.toString() });
    const alone = await bare.next();
    renewals.renew();
    const trusted = renewals.next();

    strictEqual(Number(alone?.TTL) * 1_000, ttlMs);
    await rejects(trusted, StoreUnavailableError);
    await rejects(
      EtcdKeepAlive.open(client, id, ANSWER),
      StoreUnavailableError,
    );
  } finally {
    for (const { etcd } of others) Deno.kill(etcd.pid, "SIGCONT");
  }
});

/** How many reads a member has answered. */
async function readsOf({ clientUrl }: TestMember): Promise<number> {
  const metrics = await (await fetch(`${clientUrl}/metrics`)).text();
  const line = /^grpc_server_handled_total\{.*"OK".*"Range".*\} (\d+)$/m;
  return Number(metrics.match(line)?.[1] ?? 0);
}

Deno.test("EtcdKeepAlive reads nothing from a member without others, whose database may be busy", async () => {
  await using member = await testMember();
  await using etcd = await startEtcd(member.options);
  await etcd.waitUntilServing();
  using client = new EtcdClient([member.clientUrl]);
  const port = new EtcdElectionPort(client);
  const { id, ttlMs } = await port.grantLease(60, ANSWER);
  const before = await readsOf(member);
  using renewals = await EtcdKeepAlive.open(client, id, ANSWER);

  for (let beat = 0; beat < 3; beat++) {
    renewals.renew();
    strictEqual(await renewals.next(), ttlMs);
  }

  strictEqual(await readsOf(member), before);
  await client.repeatable("KV", "range", { key: new Uint8Array(1) });
  strictEqual(await readsOf(member), before + 1);
});
