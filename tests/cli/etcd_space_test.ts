import { diskSpace } from "../../src/base/disk_space.ts";
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { type SpaceTrouble } from "../../src/cluster/space_rules.ts";
import { watchSpace } from "../../src/agent/health/watch_space.ts";
import { startEtcd } from "../../src/etcd/process/etcd_process.ts";
import {
  compactHistory,
  defragmentMembers,
} from "../../src/etcd/client/compact_defrag.ts";
import { disarmNoSpace } from "../../src/etcd/client/disarm_no_space.ts";
import { listMembersWithStatus } from "../../src/etcd/client/member_status.ts";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { StoreError } from "../../src/store/state_store.ts";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { eventually } from "../machine/eventually.ts";
import { FakeClock } from "../fakes/fake_clock.ts";
import { freePorts } from "../machine/free_ports.ts";
import { logLines } from "../machine/log_lines.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { startTestEtcd, type TestEtcd } from "../machine/test_etcd.ts";
import { testMember } from "../machine/test_member.ts";

const MIB = 1024 ** 2;
/** The least that cluster.kat takes. */
const QUOTA = 16 * MIB;
const VALUE = new Uint8Array(MIB).fill(65);

/** Overwrites one key until etcd takes no more. */
async function fill(endpoint: string): Promise<void> {
  await using store = new EtcdStore({ endpoints: [endpoint] });
  await rejects(async () => {
    for (let n = 0; n < 40; n++) await store.put("/fill", VALUE);
  }, (error: Error) => {
    ok(error instanceof StoreError);
    match(error.message, /database space exceeded/);
    return true;
  });
}

Deno.test("a full database is found by status and repaired by compact, defrag and disarm, in this order", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path, {
    spec: { etcd: `{ quotaBackendBytes: ${QUOTA} }` },
  });
  const data = `${dir.path}/data`;
  await using agent = startAgent(initArgs(file, data));
  await agent.logged("Became leader: n1");
  const kat = (...args: string[]) => runAgent([...args, `--data-dir=${data}`]);
  const well = await kat("status");
  strictEqual(well.code, 0, well.stdout);
  match(well.stdout, /^disk left +[\d.]+ [MG]iB of /m);
  match(well.stdout, /^n1 .* MiB of 16\.0 MiB \(\d %\) .*healthy/m);
  const endpoint = `http://127.0.0.1:${file.clientPort}`;
  await fill(endpoint);

  const full = await kat("status");
  strictEqual(full.code, 1);
  match(
    full.stdout,
    /^! Member "n1" .*NOSPACE.*reached its quota.*compact.*defrag.*disarm/m,
  );
  strictEqual(full.stdout.match(/^! /gm)?.length, 1, full.stdout);
  const early = await kat("etcd", "disarm");
  strictEqual(early.code, 1);
  match(
    early.stderr,
    /Cannot disarm: the database of member "n1" .* and its quota is 16\.0 MiB/,
  );
  match(early.stderr, /kat-agent etcd compact/);

  const compacted = await kat("etcd", "compact", "--keep=0");
  strictEqual(compacted.code, 0, compacted.stderr);
  match(compacted.stdout, /^Deleted the history before revision \d+$/m);
  match(
    compacted.stdout,
    /to give it back to the disk: kat-agent etcd defrag$/m,
  );
  // The space is free inside the file only, and the quota counts the file.
  strictEqual((await kat("etcd", "disarm")).code, 1);
  const again = await kat("etcd", "compact", "--keep=0");
  deepStrictEqual(again.stdout.split("\n")[0], "There is nothing to delete");

  const defragmented = await kat("etcd", "defrag");
  strictEqual(defragmented.code, 0, defragmented.stderr);
  match(defragmented.stderr, /stops while a member is defragmented/);
  const [, before, now] = /^n1 +\S+ +([\d.]+) MiB +[\d.]+ MiB +([\d.]+) MiB/m
    .exec(defragmented.stdout) ?? [];
  ok(Number(before) >= 15 && Number(now) < 3, defragmented.stdout);

  const disarmed = await kat("etcd", "disarm");
  strictEqual(disarmed.code, 0, disarmed.stderr);
  match(disarmed.stdout, /^Disarmed member "n1" at /);
  strictEqual(
    (await kat("etcd", "disarm")).stdout,
    "There is no alarm for space\n",
  );
  await using store = new EtcdStore({ endpoints: [endpoint] });
  await store.put("/after", VALUE);
  deepStrictEqual((await store.get("/fill"))?.value, VALUE);
  await eventually(async () => {
    const { code, stdout } = await kat("status");
    strictEqual(code, 0, stdout);
  });
});

Deno.test("compact keeps as many revisions as it is told", async () => {
  await using etcd = await startTestEtcd();
  const endpoints = [etcd.endpoint];
  for (let n = 1; n <= 9; n++) await etcd.ctl("put", "/a", `${n}`);

  const { revision, isNew } = await compactHistory({ endpoints, keep: 4n });

  strictEqual(revision, 6n);
  strictEqual(isNew, true);
  match(await etcd.ctl("get", "/a", "--rev=6"), /5$/);
  await rejects(etcd.ctl("get", "/a", "--rev=5"), /compacted/);
  const less = await compactHistory({ endpoints, keep: 1000n });
  strictEqual(less.isNew, false);
  strictEqual((await compactHistory({ endpoints, keep: 5n })).isNew, false);
});

Deno.test("the commands say what is missing when no etcd answers", async () => {
  const [port] = freePorts(1);
  for (const command of ["compact", "defrag", "disarm"]) {
    const { code, stderr } = await runAgent([
      "etcd",
      command,
      `--endpoints=http://127.0.0.1:${port}`,
    ]);
    strictEqual(code, 1, stderr);
    match(stderr, /^kat-agent: Cannot .*127\.0\.0\.1/m);
    match(stderr, /^ {2}\S/m);
  }
  const { code } = await runAgent(["etcd", "compact", "--keep=-1"]);
  strictEqual(code, 2);
});

Deno.test("defrag takes etcd's leader last, and no member while another is away", async () => {
  const hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
  const [peerPort = 0, clientPort = 0] = freePorts(2, hosts);
  const initialCluster = hosts.map((host, index) => ({
    name: `n${index + 1}`,
    peerUrl: `http://${host}:${peerPort}`,
  }));
  const endpoints = hosts.map((host) => `http://${host}:${clientPort}`);
  await using stack = new AsyncDisposableStack();
  const etcds = await Promise.all(initialCluster.map(async (own, index) => {
    const clientUrl = endpoints[index] ?? "";
    const member = stack.use(
      await testMember({
        ...own,
        initialCluster,
        clientUrls: [clientUrl],
        listenClientUrls: [clientUrl],
      }),
    );
    return await startEtcd(member.options);
  }));
  stack.defer(async () => {
    await Promise.all(etcds.map((etcd) => etcd.stop({ graceMs: 500 })));
  });
  await Promise.all(etcds.map((etcd) => etcd.waitUntilServing()));
  const defrag = async (...args: string[]) => {
    const result = await runAgent([
      "etcd",
      "defrag",
      `--endpoints=${endpoints.join()}`,
      ...args,
    ]);
    const rows = result.stdout.match(/^n\d/gm) ?? [];
    return { ...result, rows };
  };
  const leader = (await listMembersWithStatus({ endpoints })).find((
    { status },
  ) => status?.leaderId === status?.memberId);

  const all = await defrag();
  strictEqual(all.code, 0, all.stderr);
  deepStrictEqual(all.rows.toSorted(), ["n1", "n2", "n3"]);
  strictEqual(all.rows.at(-1), leader?.name);
  doesNotMatch(all.stderr, /stops while a member is defragmented/);

  const away = etcds.findIndex((_, index) => `n${index + 1}` !== leader?.name);
  await etcds[away]?.stop({ graceMs: 500 });
  const refused = await defrag();
  strictEqual(refused.code, 1);
  match(
    refused.stderr,
    new RegExp(`member "n${away + 1}" .*does not answer.*\n.*--force`),
  );
  deepStrictEqual(refused.rows, []);
  const forced = await defrag("--force");
  strictEqual(forced.code, 0, forced.stderr);
  strictEqual(forced.rows.length, 2);
  match(forced.stderr, /stops while a member is defragmented/);
});

Deno.test("defragmentMembers() refuses when the disk has no room for the copy", async () => {
  await using etcd = await startTestEtcd();
  await rejects(
    defragmentMembers({
      endpoints: [etcd.endpoint],
      freeBytesOf: () => Promise.resolve(100),
    }),
    /the disk of member "test" .* has 0\.0 MiB left, and the copy/,
  );
});

Deno.test("disarmNoSpace() leaves an alarm alone when its member is full, or does not tell its quota", async () => {
  await using etcd = await startTestEtcd([`--quota-backend-bytes=${QUOTA}`]);
  await fill(etcd.endpoint);
  const endpoints = [etcd.endpoint];

  await rejects(disarmNoSpace({ endpoints }), /Cannot disarm/);

  match(await etcd.ctl("alarm", "list"), /NOSPACE/);
});

/** Follows a watch over a space that shrinks and grows again. */
async function watching(etcd: TestEtcd, dataDir: string) {
  const log = await logLines();
  const clock = new FakeClock();
  const ended = new AbortController();
  let troubles: readonly SpaceTrouble[] = [];
  let looks = 0;
  const watch = watchSpace({
    endpoint: etcd.endpoint,
    diskSpace: () => diskSpace(dataDir),
    quotaBytes: QUOTA,
    onLook: (now) => {
      troubles = now;
      looks++;
    },
    clock,
    signal: ended.signal,
  });
  return {
    lines: log.lines,
    /** Lets minutes pass until the given space is short. */
    until: (...kinds: string[]) =>
      eventually(async () => {
        const before = looks;
        await clock.advance(60_000);
        await eventually(() => ok(looks > before));
        deepStrictEqual(troubles.map(({ kind }) => kind), kinds);
      }),
    async [Symbol.asyncDispose]() {
      ended.abort();
      await watch;
      await log[Symbol.asyncDispose]();
    },
  };
}

Deno.test("watchSpace() warns at 70 % of the quota and when it is reached, and says when each is over, once", async () => {
  await using dir = await tempDir();
  await using etcd = await startTestEtcd([`--quota-backend-bytes=${QUOTA}`]);
  const endpoints = [etcd.endpoint];
  const watch = await watching(etcd, dir.path);
  await watch.until();
  await using store = new EtcdStore({ endpoints });

  for (let n = 0; n < 12; n++) await store.put("/fill", VALUE);
  await watch.until("quota");
  await watch.until("quota");
  await fill(etcd.endpoint);
  await watch.until("nospace");
  await compactHistory({ endpoints, keep: 0n });
  await defragmentMembers({ endpoints });
  await watch.until("nospace");
  await disarmNoSpace({ endpoints, quotaBytes: QUOTA });
  await watch.until();
  await watch[Symbol.asyncDispose]();

  const said = watch.lines.map(({ level, message }) => `${level}: ${message}`)
    .filter((line) => /database|disk/.test(line));
  deepStrictEqual(said, [
    "warning: The database nears its quota",
    "error: The database is full",
    "info: The database takes writes again",
  ]);
});
