import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import {
  type BadInput,
  edit,
  init,
  makeNode,
  type Place,
  testBadInputs,
} from "../cli/bad_input.ts";
import { writeClusterFile } from "../machine/cluster_file.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { processesNaming } from "../machine/processes.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { treeHash } from "../machine/tree_hash.ts";

const run = ({ data }: Place) => ["run", `--data-dir=${data}`];

/** Three members, of which this one is the first; the others do not exist. */
function three(place: Place): string[] {
  const members = ["n1", "n2", "n3"].map((name, index) =>
    `${name}=http://127.0.0.${index + 1}:${place.file.peerPort}`
  );
  return init(place, `--initial-cluster=${members.join(",")}`);
}

/** A first node that has begun to wait for the others, and was stopped. */
async function makeFirstOfThree(place: Place): Promise<void> {
  await using agent = startAgent(three(place));
  await agent.logged("Waiting for");
  strictEqual((await agent.stop()).code, 0);
}

/** Makes a node and then spoils its directory. */
function spoiled(
  spoil: (place: Place) => Promise<unknown>,
): (place: Place) => Promise<void> {
  return async (place) => {
    await makeNode(place);
    await spoil(place);
  };
}

/** Changes node.json. */
function remembering(
  change: (record: Record<string, unknown>) => void,
): (place: Place) => Promise<void> {
  return spoiled(async ({ data }) => {
    const path = `${data}/node.json`;
    const record = JSON.parse(await Deno.readTextFile(path));
    change(record);
    await Deno.writeTextFile(path, JSON.stringify(record));
  });
}

const isRoot = Deno.uid() === 0;
/** Without the right of root to read and write everything. */
const asNobodySpecial = () =>
  isRoot ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] : [];

/** What any directory is refused for, alone and as one of three. */
const EITHER: readonly Omit<BadInput, "args">[] = [
  {
    name: "a data directory that is a dangling link",
    given: ({ dir, data }) => Deno.symlink(`${dir}/nowhere`, data),
    code: 1,
    says: /symbolic link to nothing/,
  },
  {
    name: "a data directory with the etcd directory of another program",
    async given({ data }) {
      await Deno.mkdir(`${data}/etcd/base/1`, { recursive: true });
    },
    code: 1,
    says: /it holds "etcd" and no node\.json/,
  },
  {
    name: "a data directory without read permission",
    given: ({ data }) => Deno.mkdir(data, { mode: 0 }),
    prefix: asNobodySpecial,
    untouched: ({ file }) => file.path,
    code: 1,
    says: /permission denied|no permission/,
  },
  {
    name: "a data directory without write permission",
    given: ({ data }) => Deno.mkdir(data, { mode: 0o500 }),
    prefix: asNobodySpecial,
    code: 1,
    says: /permission/,
  },
  {
    name: "a data directory below a file",
    given: ({ data }) => Deno.writeTextFile(data.replace(/\/data$/, "/f"), ""),
    env: {},
    code: 1,
    says: /not a directory/,
  },
  {
    name: "a lock that is a directory",
    given: ({ data }) => Deno.mkdir(`${data}/agent.lock`, { recursive: true }),
    code: 1,
    says: /agent\.lock": it is not a regular file/,
  },
];

const FOUND: readonly BadInput[] = EITHER.flatMap((row) => {
  const below = (args: readonly string[], { dir }: Place) =>
    row.name.endsWith("below a file")
      ? args.map((arg) =>
        arg.startsWith("--data-dir=") ? `--data-dir=${dir}/f/data` : arg
      )
      : args;
  return [
    { ...row, args: (place: Place) => below(init(place), place) },
    {
      ...row,
      name: `${row.name}, for one of three`,
      args: (place: Place) => below(three(place), place),
    },
  ];
});

/** What a power cut, or a full disk, leaves of a file. */
const LEFT: readonly (readonly [
  left: string,
  of: (text: string) => string,
  says: string,
])[] = [
  ["empty", () => "", "but empty, as after a power cut"],
  ["zeros", (text) => "\0".repeat(text.length), "holds only zeros"],
  ["half zeros", (text) => text.slice(0, 60) + "\0".repeat(60), "holds zeros"],
  ["half", (text) => text.slice(0, 60), "its end is missing"],
];
const HINTS = {
  "node.json": "Put it back from a backup of this node",
  "identity.json": "restore the data directory from a backup; or,",
};

const POWER_CUTS: readonly BadInput[] = Object.entries(HINTS).flatMap((
  [name, hint],
) =>
  LEFT.map(([left, of, says]) => ({
    name: `a node whose ${name} is ${left}`,
    given: spoiled(async ({ data }) => {
      const path = `${data}/${name}`;
      await Deno.writeTextFile(path, of(await Deno.readTextFile(path)));
    }),
    args: run,
    code: 1,
    says: new RegExp(`${name}: it is no JSON,.* ${says}.*\\n.*${hint}`),
    // The agent's own lock is written.
    untouched: ({ data }: Place) => `${data}/etcd`,
  }))
);

const NODES: readonly BadInput[] = [
  ...["node.json", "identity.json", "etcd.log", "etcd/member/snap/db"].map((
    name,
  ): BadInput => ({
    name: `a node whose ${name} this user may not open`,
    given: spoiled(({ data }) => Deno.chmod(`${data}/${name}`, 0)),
    prefix: asNobodySpecial,
    untouched: ({ file }) => file.path,
    args: run,
    code: 1,
    says: new RegExp(`${name.replaceAll(".", "\\.")}"[^]*permission[^]*chown`),
  })),
  {
    name: "a node whose database is gone",
    given: spoiled(({ data }) => Deno.remove(`${data}/etcd/member/snap/db`)),
    args: run,
    code: 1,
    says: /"member\/snap\/db" is missing/,
  },
  {
    name: "a node whose database is empty",
    given: spoiled(({ data }) => Deno.truncate(`${data}/etcd/member/snap/db`)),
    args: init,
    code: 1,
    says: /"member\/snap\/db" is empty/,
  },
  {
    name: "a node whose log is gone",
    given: spoiled(({ data }) =>
      Deno.remove(`${data}/etcd/member/wal`, { recursive: true })
    ),
    args: run,
    code: 1,
    says: /"member\/wal" holds no log/,
  },
  {
    name: "a node whose log begins with zeros, which etcd would erase",
    given: spoiled(async ({ data }) => {
      const member = `${data}/etcd/member`;
      await overwrite(await firstLog(member), 0, 4_096);
    }),
    args: run,
    code: 1,
    says: /"member\/wal\/0.*\.wal" begins with zeros/,
  },
  {
    name: "a node whose member is a file",
    given: spoiled(async ({ data }) => {
      await Deno.remove(`${data}/etcd/member`, { recursive: true });
      await Deno.writeTextFile(`${data}/etcd/member`, "member");
    }),
    args: run,
    code: 1,
    says: /"member" is not a directory/,
  },
  {
    name: "a node whose etcd directory is a dangling link",
    given: spoiled(async ({ dir, data }) => {
      await Deno.rename(`${data}/etcd`, `${dir}/moved`);
      await Deno.symlink(`${dir}/nowhere`, `${data}/etcd`);
    }),
    args: run,
    code: 1,
    says: /symbolic link to nothing/,
  },
  ...["etcd", "etcd/member", "etcd/member/snap"].map((name): BadInput => ({
    name: `a node whose ${name} is a link to another disk`,
    given: spoiled(async ({ dir, data }) => {
      await Deno.rename(`${data}/${name}`, `${dir}/moved`);
      await Deno.symlink(`${dir}/moved`, `${data}/${name}`);
    }),
    args: run,
    code: 1,
    says:
      /^kat-agent: Cannot use the data directory .* is a symbolic link to .*\n.*mount that disk there/,
  })),
  {
    name: "a node with unknown files in its etcd directory",
    given: spoiled(({ data }) => Deno.writeTextFile(`${data}/etcd/mine`, "")),
    args: run,
    code: 1,
    says: /it holds "mine"/,
  },
  {
    name: "a node whose etcd directory belongs to another user",
    given: spoiled(({ data }) => Deno.chown(`${data}/etcd`, 1, null)),
    args: run,
    ignore: !isRoot,
    code: 1,
    says: /it belongs to user 1, and kat-agent runs as user 0/,
  },
  {
    name: "a node whose node.json cannot be read",
    given: spoiled(({ data }) => Deno.chmod(`${data}/node.json`, 0)),
    args: run,
    prefix: asNobodySpecial,
    untouched: ({ data }) => `${data}/etcd`,
    code: 1,
    says: /node\.json": permission denied/,
  },
  {
    name: "a node whose node.json is a directory",
    given: spoiled(async ({ data }) => {
      await Deno.remove(`${data}/node.json`);
      await Deno.mkdir(`${data}/node.json`);
    }),
    args: run,
    code: 1,
    says: /node\.json": it is not a regular file/,
  },
  {
    name: "a node whose node.json is too long",
    given: spoiled(({ data }) =>
      Deno.writeTextFile(`${data}/node.json`, " ".repeat(2_000_000))
    ),
    args: run,
    code: 1,
    says: /node\.json": it has 2000000 bytes/,
  },
  ...POWER_CUTS,
  {
    name: "a node whose node.json is of a newer kat-agent",
    given: remembering((record) => record.formatVersion = 2),
    args: run,
    code: 1,
    says: /it has format 2, and this kat-agent knows 1/,
  },
  {
    name: "a node whose node.json lacks a field",
    given: remembering((record) => delete record.nodeName),
    args: run,
    code: 1,
    says: /"nodeName" is wrong/,
  },
  {
    name: "a node whose node.json has an invalid configuration",
    given: remembering((record) => record.spec = { etcdClientPort: "x" }),
    args: run,
    code: 1,
    says: /node\.json: "spec" is wrong/,
  },
  {
    name: "a node whose node.json has an invalid address",
    given: remembering((record) => record.advertiseAddress = "no address"),
    args: run,
    code: 1,
    says: /node\.json: "advertiseAddress" is wrong/,
  },
  {
    name: "a node whose node.json has an invalid peer URL",
    given: remembering((record) =>
      record.initialCluster = [{ name: "n1", peerUrl: "no URL" }]
    ),
    args: run,
    code: 1,
    says: /node\.json: "initialCluster\.0\.peerUrl" is wrong/,
  },
  {
    name: "a node whose database another program holds",
    async given(place) {
      await makeNode(place);
      const file = await Deno.open(`${place.data}/etcd/member/snap/db`);
      await file.lock(true);
      return { [Symbol.asyncDispose]: () => Promise.resolve(file.close()) };
    },
    args: run,
    untouched: ({ data }) => `${data}/etcd`,
    code: 1,
    says: /process \d+ \(.*\) uses it|another etcd uses it/,
  },
  {
    name: "the first of three under another name",
    given: makeFirstOfThree,
    args: (p) =>
      three(p).with(3, "--node-name=n2").concat(
        "--advertise-address=127.0.0.2",
      ),
    code: 1,
    says: /--node-name "n1", not "n2"/,
  },
  {
    name: "the first of three as a node alone",
    given: makeFirstOfThree,
    args: init,
    code: 1,
    says: /it was made with --initial-cluster "n1=.*n3=.*", not "n1=/,
  },
  {
    name: "the first of three of another cluster",
    async given(place) {
      await makeFirstOfThree(place);
      await edit(place, "name: test", "name: other");
    },
    args: three,
    code: 78,
    says: /metadata\.name "test", not "other"/,
  },
  {
    name: "a node alone as one of three",
    given: makeNode,
    args: three,
    code: 1,
    says: /it was made with --initial-cluster "n1=/,
  },
];

/** Whether this user may mount; the rows that need it are skipped, and counted, if not. */
const mayMount = isRoot && Deno.build.os === "linux" &&
  (await new Deno.Command("unshare", {
      args: ["-m", "mount", "-t", "tmpfs", "none", "/mnt"],
    }).output().catch(() => undefined))?.success === true;

/** Runs the agent where the mounts that the words make are its own. */
const mounted = (words: string) => ({ data }: Place) => [
  "unshare",
  "-m",
  "/bin/sh",
  "-c",
  `data=$0; ${words} && exec "$@"`,
  data,
];

const FILE_SYSTEMS: readonly BadInput[] = [
  {
    name: "a data directory on a read-only file system",
    given: ({ data }: Place) => Deno.mkdir(data, { mode: 0o700 }),
    prefix: mounted(
      'mount --bind "$data" "$data" && mount -o remount,ro,bind "$data"',
    ),
    says: /read-only file system/,
  },
  {
    name: "a node on a read-only file system",
    given: makeNode,
    prefix: mounted(
      'mount --bind "$data" "$data" && mount -o remount,ro,bind "$data"',
    ),
    says: /read-only file system/,
  },
  {
    name: "a data directory on a disk without room",
    given: ({ data }: Place) => Deno.mkdir(data, { mode: 0o700 }),
    prefix: mounted('mount -t tmpfs -o mode=700,size=20m none "$data"'),
    says: /has 20 MB left, .* needs 64 MB/,
  },
  {
    name: "a data directory on a disk without room for a name",
    given: ({ data }: Place) => Deno.mkdir(data, { mode: 0o700 }),
    prefix: mounted(
      'mount -t tmpfs -o mode=700,size=128m,nr_inodes=1 none "$data"',
    ),
    says: /no more files/,
  },
].map((row) => ({ ...row, args: init, code: 1, ignore: !mayMount }));

testBadInputs(FOUND);
testBadInputs(NODES);
testBadInputs(FILE_SYSTEMS);

/**
 * What only etcd can find. It is started, and writes a page of its own into the
 * database as it opens it; the log, and what files there are, stay.
 */
const DAMAGES: readonly {
  readonly name: string;
  readonly spoil: (member: string) => Promise<void>;
}[] = [
  {
    name: "whose first pages of the database are zeros",
    spoil: (member) => overwrite(`${member}/snap/db`, 0, 16_384),
  },
  {
    name: "whose database is cut off",
    spoil: (member) => Deno.truncate(`${member}/snap/db`, 5_000),
  },
  {
    name: "whose log has one wrong byte",
    spoil: async (member) => {
      const path = await firstLog(member);
      const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
      // Inside of a key, so that nothing but the checksum tells.
      const at = text.indexOf("/kat/schema_version");
      ok(at > 0);
      await overwrite(path, at + 5, 1);
    },
  },
];

async function namesIn(directory: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(directory));
  return entries.map(({ name }) => name).sort();
}

async function firstLog(member: string): Promise<string> {
  const names = await Array.fromAsync(Deno.readDir(`${member}/wal`));
  const name =
    names.map(({ name }) => name).filter((name) => name.endsWith(".wal"))
      .sort()[0];
  return `${member}/wal/${name}`;
}

async function overwrite(
  path: string,
  at: number,
  count: number,
): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const bytes = new Uint8Array(count);
  await file.seek(at, Deno.SeekMode.Start);
  await file.read(bytes);
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(bytes.map((byte) => count === 1 ? byte ^ 0xff : 0));
}

for (const { name, spoil } of DAMAGES) {
  Deno.test(`kat-agent repairs nothing of a node ${name}`, async () => {
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    const place = { dir: dir.path, data: `${dir.path}/data`, file };
    await makeNode(place);
    await spoil(`${place.data}/etcd/member`);
    const member = `${place.data}/etcd/member`;
    const before = [await treeHash(`${member}/wal`), await namesIn(member)];

    const { code, stderr } = await runAgent(run(place), {
      env: { KAT_ETCD_BINARY: etcdBinaries.etcd },
    });

    strictEqual(code, 1, stderr);
    match(stderr, /^kat-agent: Cannot run etcd: /m);
    match(stderr, /restore a backup/);
    ok(!/^\s+at /m.test(stderr), stderr);
    deepStrictEqual(
      [await treeHash(`${member}/wal`), await namesIn(member)],
      before,
    );
    strictEqual((await processesNaming(dir.path)).length, 0);
  });
}

async function placeIn(dir: string): Promise<Place> {
  return { dir, data: `${dir}/data`, file: await writeClusterFile(dir) };
}

for (
  const [left, text] of [
    ["is empty", ""],
    ["holds zeros", "\0".repeat(6)],
    ["holds a page of zeros", "\0".repeat(4096)],
    ["is cut off", "12"],
    ["begins with zeros", "\0\x001234\n"],
  ] as const
) {
  Deno.test(`a node starts whose agent.lock ${left} after a power cut`, async () => {
    await using dir = await tempDir();
    const place = await placeIn(dir.path);
    await makeNode(place);
    await Deno.writeTextFile(`${place.data}/agent.lock`, text);
    const etcdPid = `${place.data}/etcd.pid`;
    await Deno.writeTextFile(etcdPid, text);
    const id = crypto.randomUUID();
    const temporary = [`node.json.${id}.tmp`, `probe.${id}.tmp`];
    for (const name of temporary) {
      await Deno.writeTextFile(`${place.data}/${name}`, text);
    }

    await using agent = startAgent(run(place));
    await agent.logged("Became leader");

    const names = await namesIn(place.data);
    deepStrictEqual(names.filter((name) => temporary.includes(name)), []);
    strictEqual((await agent.stop()).code, 0);
  });
}

Deno.test("a lock that no agent has written is left as it is, and its owner not sent to an empty directory", async () => {
  await using dir = await tempDir();
  const place = await placeIn(dir.path);
  await makeNode(place);
  await Deno.writeTextFile(`${place.data}/agent.lock`, "a letter");

  const { code, stderr } = await runAgent(run(place));

  match(
    stderr,
    /agent\.lock": it is not a file of kat-agent\n.*Move that file/,
  );
  strictEqual(/--data-dir/.test(stderr), false);
  strictEqual(await Deno.readTextFile(`${place.data}/agent.lock`), "a letter");
  strictEqual(code, 1);
});
