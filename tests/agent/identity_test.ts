import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { dataPaths } from "../../src/agent/data_directory.ts";
import {
  encodeIdentity,
  type Identity,
  readIdentity,
  writeIdentity,
} from "../../src/agent/identity/identity.ts";
import {
  checkPosition,
  IdentityKeeper,
  type KeepIdentityOptions,
} from "../../src/agent/identity/keep_identity.ts";
import { keepPeerUrl } from "../../src/agent/identity/keep_peer_url.ts";
import { refuseOtherData } from "../../src/agent/identity/refuse_identity.ts";
import { KatError } from "../../src/base/errors.ts";
import {
  type EtcdProcess,
  startEtcd,
} from "../../src/etcd/process/etcd_process.ts";
import { versionText } from "../../src/etcd/etcd_version.ts";
import { copyTree } from "../machine/copy_tree.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { eventually } from "../machine/eventually.ts";
import { FakeClock } from "../fakes/fake_clock.ts";
import { freePorts } from "../machine/free_ports.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { type TestMember, testMember } from "../machine/test_member.ts";
import { treeHash } from "../machine/tree_hash.ts";

const UID = "0b0f7f0c-7a44-4d2b-9a5e-0f6f4d0c9a11";
const { version } = etcdBinaries;

async function serve(member: TestMember): Promise<EtcdProcess> {
  const etcd = await startEtcd(member.options);
  await etcd.waitUntilServing();
  return etcd;
}

async function keep(
  member: TestMember,
  more: Partial<KeepIdentityOptions> = {},
): Promise<IdentityKeeper> {
  return await IdentityKeeper.start({
    write: (identity) =>
      writeIdentity(dataPaths(member.dir).identity, identity),
    endpoint: member.clientUrl,
    known: undefined,
    clusterUid: UID,
    nodeName: "n1",
    etcdVersion: versionText(version),
    ...more,
  });
}

/** What `node.json` says of a member. */
function recordOf({ options }: TestMember) {
  const { initialCluster } = options.member;
  return { nodeName: "n1", clusterUid: UID, initialCluster };
}

/** What an agent checks before it starts etcd. */
function inspect(
  member: TestMember,
  record: Parameters<typeof refuseOtherData>[0] = recordOf(member),
  etcd = version,
): Promise<Identity | undefined> {
  const paths = dataPaths(member.dir);
  return refuseOtherData(record, { paths, version: etcd });
}

Deno.test("IdentityKeeper writes what etcd says of itself, and the newest revision when it stops", async () => {
  await using member = await testMember();
  await using etcd = await serve(member);
  const path = dataPaths(member.dir).identity;
  strictEqual(await inspect(member), undefined);

  const keeper = await keep(member);
  const first = await readIdentity(path);
  await etcdctl(member.clientUrl, "put", "/a", "1");
  await etcdctl(member.clientUrl, "put", "/a", "2");
  await keeper[Symbol.asyncDispose]();

  const last = await inspect(member);
  const { mode } = await Deno.stat(path);
  strictEqual((mode ?? 0) & 0o777, 0o600);
  // Numbers that JSON.parse would round.
  const answer = (await etcdctl(member.clientUrl, "get", "/a", "-w=json"))
    .replace(/_id":(\d+)/g, '_id":"$1"');
  const { cluster_id, member_id, revision } = JSON.parse(answer).header;
  strictEqual(last?.clusterId, BigInt(cluster_id).toString(16));
  strictEqual(last?.memberId, BigInt(member_id).toString(16));
  strictEqual(last?.revision, BigInt(revision));
  strictEqual(last?.revision, (first?.revision ?? 0n) + 2n);
  strictEqual(last?.etcdVersion, versionText(version));
  await etcd.stop();
});

Deno.test("IdentityKeeper writes when the store has grown, and nothing while it does not", async () => {
  await using member = await testMember();
  await using _etcd = await serve(member);
  const path = dataPaths(member.dir).identity;
  const clock = new FakeClock();
  const keeper = await keep(member, { clock });
  const known = await readIdentity(path);
  await etcdctl(member.clientUrl, "put", "/a", "1");
  await eventually(async () => {
    await clock.advance(60_000);
    const identity = await readIdentity(path);
    strictEqual(identity?.revision, (known?.revision ?? 0n) + 1n);
    // The cluster agrees on its version some time after its first start.
    ok(identity?.clusterVersion);
  });
  // The file is replaced with each write, so its number tells of one.
  const { ino } = await Deno.stat(path);

  for (let look = 0; look < 5; look++) await clock.advance(60_000);
  await keeper[Symbol.asyncDispose]();

  strictEqual((await Deno.stat(path)).ino, ino);
});

Deno.test("IdentityKeeper stops although its write never ends", async () => {
  await using member = await testMember();
  await using _etcd = await serve(member);
  const stop = new AbortController();
  const asked = Promise.withResolvers<void>();
  const write = () => {
    asked.resolve();
    return new Promise(() => {});
  };

  const starting = keep(member, { write, signal: stop.signal });
  await asked.promise;
  stop.abort(new Error("stop"));
  let ended = false;
  const ending = (async () => {
    await (await starting)[Symbol.asyncDispose]();
    ended = true;
  })();

  await eventually(() => ok(ended, "it goes on"));
  await ending;
});

/** A member that was stopped, with data older than what it knows of itself. */
async function memberOfYesterday(): Promise<TestMember> {
  const member = await testMember();
  const { dataDir } = member.options.member;
  let etcd = await serve(member);
  await etcdctl(member.clientUrl, "put", "/a", "old");
  await etcd.stop();
  await using copy = await tempDir();
  await copyTree(dataDir, `${copy.path}/etcd`);
  etcd = await serve(member);
  const keeper = await keep(member);
  await etcdctl(member.clientUrl, "put", "/a", "new");
  await keeper[Symbol.asyncDispose]();
  await etcd.stop();
  await Deno.remove(dataDir, { recursive: true });
  await copyTree(`${copy.path}/etcd`, dataDir);
  return member;
}

Deno.test("an older copy of etcd's data is refused before etcd starts, for one member and for three", async () => {
  await using member = await memberOfYesterday();
  const { dataDir } = member.options.member;
  const before = await treeHash(dataDir);
  const [own] = member.options.member.initialCluster;
  ok(own);
  const ofThree = { ...recordOf(member), initialCluster: [own, own, own] };

  for (
    const [record, hint] of [
      [
        recordOf(member),
        /delete identity\.json in the data directory and start/,
      ],
      [
        ofThree,
        /what the other members have confirmed meanwhile may then be lost/,
      ],
    ] as const
  ) {
    await rejects(inspect(member, record), (error: KatError) => {
      match(
        error.message,
        /log ends at entry \d+, .* has seen entry \d+: .* older/,
      );
      match(error.hint ?? "", hint);
      return true;
    });
  }
  strictEqual(await treeHash(dataDir), before);

  // The remedy that the hint names.
  await Deno.remove(dataPaths(member.dir).identity);
  strictEqual(await inspect(member), undefined);
});

Deno.test("a store with fewer revisions than the node has seen is refused", async () => {
  await using member = await memberOfYesterday();
  const known = await readIdentity(dataPaths(member.dir).identity);
  await using _etcd = await serve(member);
  const kept = await Deno.readTextFile(dataPaths(member.dir).identity);
  await rejects(
    checkPosition(known, { endpoint: member.clientUrl }),
    (error: KatError) => {
      match(
        error.message,
        /came back at revision 2, and this node has seen revision 3/,
      );
      match(error.hint ?? "", /delete identity\.json/);
      return true;
    },
  );
  ok(known);
  await rejects(keep(member, { known }), /came back at revision 2/);
  strictEqual(await Deno.readTextFile(dataPaths(member.dir).identity), kept);

  // The remedy that the hint names.
  await Deno.remove(dataPaths(member.dir).identity);
  await using _keeper = await keep(member);
  strictEqual((await inspect(member))?.revision, 2n);
});

Deno.test("IdentityKeeper logs one error when the store goes back to an older revision, and keeps what it knew", async () => {
  await using member = await testMember();
  await using copy = await tempDir();
  const { dataDir } = member.options.member;
  let etcd = await serve(member);
  await etcd.stop();
  await copyTree(dataDir, `${copy.path}/etcd`);
  etcd = await serve(member);
  await etcdctl(member.clientUrl, "put", "/a", "new");
  const clock = new FakeClock();
  const alarms: unknown[] = [];
  const keeper = await keep(member, {
    clock,
    onStepBack: (stepBack) => alarms.push(stepBack),
  });
  await etcd.stop();
  await Deno.remove(dataDir, { recursive: true });
  await copyTree(`${copy.path}/etcd`, dataDir);
  etcd = await serve(member);
  await using _etcd = etcd;

  await eventually(async () => {
    await clock.advance(60_000);
    strictEqual(alarms.length, 1);
  });
  for (let look = 0; look < 3; look++) await clock.advance(60_000);
  await keeper[Symbol.asyncDispose]();

  strictEqual(alarms.length, 1);
  match(JSON.stringify(alarms[0]), /came back at revision 1/);
  strictEqual(
    (await readIdentity(dataPaths(member.dir).identity))?.revision,
    2n,
  );
});

Deno.test("the data of two members that were swapped are refused before etcd starts, untouched", async () => {
  const hosts = ["127.0.0.1", "127.0.0.2"];
  const [peerPort = 0] = freePorts(1, hosts);
  const initialCluster = hosts.map((host, index) => ({
    name: `n${index + 1}`,
    peerUrl: `http://${host}:${peerPort}`,
  }));
  const [own, other] = initialCluster;
  ok(own && other);
  await using first = await testMember({ ...own, initialCluster });
  await using second = await testMember({ ...other, initialCluster });
  const etcds = await Promise.all(
    [first, second].map((member) => startEtcd(member.options)),
  );
  await Promise.all(etcds.map((etcd) => etcd.waitUntilServing()));
  for (const member of [first, second]) {
    await (await keep(member))[Symbol.asyncDispose]();
  }
  // The last of two has no successor, and waits for one until its deadline.
  await Promise.all(etcds.map((etcd) => etcd.stop({ graceMs: 500 })));
  await Deno.rename(`${first.dir}/etcd`, `${first.dir}/aside`);
  await Deno.rename(`${second.dir}/etcd`, `${first.dir}/etcd`);
  await Deno.rename(`${first.dir}/aside`, `${second.dir}/etcd`);
  const before = await treeHash(first.dir);

  for (const member of [first, second]) {
    await rejects(inspect(member), (error: KatError) => {
      match(error.message, /it holds member [0-9a-f]+ of etcd cluster/);
      match(
        error.hint ?? "",
        /etcdutl snapshot restore FILE --data-dir \S+\/etcd --name n1 --initial-cluster n1=\S+ --initial-cluster-token kat-NAME --initial-advertise-peer-urls http:\S+ .*--bump-revision/,
      );
      return true;
    });
  }

  strictEqual(await treeHash(first.dir), before);
});

Deno.test("identity.json of another node or cluster is refused", async () => {
  await using member = await testMember();
  await using etcd = await serve(member);
  await (await keep(member))[Symbol.asyncDispose]();
  await etcd.stop();

  await rejects(
    inspect(member, { ...recordOf(member), nodeName: "n2" }),
    /node\.json is node "n2"'s, and identity\.json node "n1"'s/,
  );
  const another = "11111111-7a44-4d2b-9a5e-0f6f4d0c9a11";
  await rejects(
    inspect(member, { ...recordOf(member), clusterUid: another }),
    /node\.json is cluster "1111.*identity\.json cluster "0b0f/,
  );
});

Deno.test("an etcd that may not take over the data is refused before it starts", async () => {
  await using member = await testMember();
  const path = dataPaths(member.dir).identity;
  await Deno.writeTextFile(
    path,
    encodeIdentity({
      clusterId: "1",
      memberId: "2",
      clusterUid: UID,
      nodeName: "n1",
      etcdVersion: "3.6.14",
      clusterVersion: "3.6.0",
      revision: 7n,
    }),
  );

  await rejects(
    inspect(member, undefined, { major: 3, minor: 5, patch: 33 }),
    (error: KatError) => {
      match(
        error.message,
        /etcd 3\.5\.33 is too old for data .* of version 3\.6/,
      );
      match(error.hint ?? "", /^Use etcd 3\.6 or newer/);
      return true;
    },
  );
});

Deno.test("keepPeerUrl() tells etcd the new address of a member that is alone, and of no other", async () => {
  await using member = await testMember();
  await using _etcd = await serve(member);
  const endpoint = member.clientUrl;
  const list = () => etcdctl(endpoint, "member", "list");
  const before = await list();
  const moved = { name: "n1", peerUrl: "http://127.0.0.9:2380" };

  await keepPeerUrl([moved, { ...moved, name: "n2" }], { endpoint });
  strictEqual(await list(), before);
  await keepPeerUrl([moved], { endpoint });
  match(await list(), /http:\/\/127\.0\.0\.9:2380/);
});
