import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { dirname, join } from "node:path";
import { KatError } from "../../src/base/errors.ts";
import { assertUnlocked } from "../../src/etcd/data/data_dir_lock.ts";
import {
  createDataDir,
  type EtcdDataDirKind,
  inspectEtcdDataDir,
} from "../../src/etcd/data/etcd_data_dir.ts";
import { startEtcd } from "../../src/etcd/process/etcd_process.ts";
import { HAS_PROC } from "../../src/base/process_table.ts";
import { checkWritable } from "../../src/etcd/data/writable_dir.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { testMember } from "../machine/test_member.ts";
import { treeHash } from "../machine/tree_hash.ts";

async function write(path: string, content = "x"): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, content);
}

Deno.test("inspectEtcdDataDir() tells a member's directory from others", async () => {
  await using dir = await tempDir();
  const at = (name: string) => join(dir.path, name);
  await Deno.mkdir(at("empty"));
  await Deno.mkdir(at("mount/lost+found"), { recursive: true });
  await write(at("file"));
  await Deno.symlink(at("nowhere"), at("dangling"));
  await Deno.symlink(at("empty"), at("link"));
  await write(at("notes/todo.txt"));
  await write(at("many/a"));
  for (const name of ["b", "c", "d", "e"]) await write(at(`many/${name}`));
  await write(at("member-file/member"));
  await Deno.mkdir(at("bare/member"), { recursive: true });
  await write(at("no-wal/member/snap/db"));
  await write(at("cut/member/snap/db"));
  await write(at("cut/member/wal.tmp/0-0.wal"));
  await write(at("empty-wal/member/snap/db"));
  await write(at("empty-wal/member/wal/0-0.wal"), "");
  await write(at("zeros/member/wal/0-0.wal"), "\0".repeat(100));
  await write(at("zeros/member/snap/db"));
  await write(at("no-db/member/wal/0-0.wal"));
  await write(at("empty-db/member/wal/0-0.wal"));
  await write(at("empty-db/member/snap/db"), "");
  await write(at("whole/member/wal/0-0.wal"));
  await write(at("whole/member/snap/db"));
  await write(at("mixed/member/wal/0-0.wal"));
  await write(at("mixed/member/snap/db"));
  await write(at("mixed/base/1"));
  const before = await treeHash(dir.path);
  const noLog = '"member/wal" holds no log';
  const noDatabase = '"member/snap/db" is missing';
  const cases: readonly [string, EtcdDataDirKind, ...string[]][] = [
    ["absent", "absent"],
    ["file/below", "absent"],
    ["empty", "empty"],
    ["mount", "empty"],
    ["link", "empty"],
    ["whole", "member"],
    ["file", "foreign", "it is not a directory"],
    ["dangling", "foreign", "it is a symbolic link to nothing"],
    ["notes", "foreign", 'it holds "todo.txt"'],
    ["many", "foreign", 'it holds "a", "b", "c" and 2 more'],
    ["mixed", "foreign", 'it holds "base"'],
    ["member-file", "foreign", '"member" is not a directory'],
    ["bare", "half-made", noLog, noDatabase],
    ["no-wal", "half-made", noLog],
    ["cut", "half-made", noLog],
    ["empty-wal", "half-made", noLog],
    ["zeros", "half-made", '"member/wal/0-0.wal" begins with zeros'],
    ["no-db", "half-made", noDatabase],
    ["empty-db", "half-made", '"member/snap/db" is empty'],
  ];

  for (const [name, kind, ...reasons] of cases) {
    deepStrictEqual(
      await inspectEtcdDataDir(at(name)),
      { kind, reasons },
      name,
    );
  }
  deepStrictEqual(await treeHash(dir.path), before);
});

Deno.test("inspectEtcdDataDir() and assertUnlocked() see a running etcd, and one that has stopped", async () => {
  await using member = await testMember();
  const { dataDir } = member.options.member;
  await assertUnlocked(dataDir);
  {
    await using etcd = await startEtcd(member.options);
    await etcd.waitUntilServing();

    strictEqual((await inspectEtcdDataDir(dataDir)).kind, "member");
    await rejects(assertUnlocked(dataDir), {
      message: `Cannot use the data directory ${JSON.stringify(dataDir)}: ${
        HAS_PROC ? `process ${etcd.pid} (etcd)` : "another etcd"
      } uses it`,
    });
  }
  const before = await treeHash(dataDir);

  await assertUnlocked(dataDir);
  deepStrictEqual(await inspectEtcdDataDir(dataDir), {
    kind: "member",
    reasons: [],
  });
  await checkWritable(dataDir);

  deepStrictEqual(await treeHash(dataDir), before);
});

Deno.test("inspectEtcdDataDir() and assertUnlocked() name the one file that may not be read", async () => {
  await using dir = await tempDir();
  const wal = join(dir.path, "member", "wal", "0-0.wal");
  const database = join(dir.path, "member", "snap", "db");
  await write(wal, "x");
  await write(database, "x");
  // Root may read every file, so the kernel's answer is given here.
  const open = Deno.open;
  const refusal = async (path: string, act: () => Promise<unknown>) => {
    const refusing = (name: string, options: Deno.OpenOptions) =>
      name === path
        ? Promise.reject(new Deno.errors.PermissionDenied("os error 13"))
        : open(name, options);
    try {
      Object.assign(Deno, { open: refusing });
      await rejects(act(), {
        message: `Cannot read ${JSON.stringify(path)}: no permission`,
        hint: "Give it to the user that runs kat-agent, with chown",
      });
    } finally {
      Object.assign(Deno, { open });
    }
  };

  await refusal(wal, () => inspectEtcdDataDir(dir.path));
  await refusal(database, () => assertUnlocked(dir.path));
});

Deno.test("createDataDir() makes directories that are closed to others", async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "kat", "etcd");
  const modeOf = async (path: string) =>
    ((await Deno.stat(path)).mode ?? 0) & 0o777;

  await createDataDir(path);
  strictEqual(await modeOf(path), 0o700);
  strictEqual(await modeOf(dirname(path)), 0o700);

  await Deno.chmod(path, 0o755);
  await createDataDir(path);
  strictEqual(await modeOf(path), 0o700);
  strictEqual((await inspectEtcdDataDir(path)).kind, "empty");
});

Deno.test("createDataDir() refuses a path that is a file", async () => {
  await using dir = await tempDir();
  await write(join(dir.path, "file"));

  await rejects(createDataDir(join(dir.path, "file", "etcd")), KatError);
  await rejects(createDataDir(join(dir.path, "file")), KatError);
});

Deno.test("checkWritable() accepts what etcd can work in, and creates nothing", async () => {
  await using dir = await tempDir();
  await Deno.mkdir(join(dir.path, "empty"));
  await Deno.symlink(join(dir.path, "empty"), join(dir.path, "link"));
  const before = await treeHash(dir.path);

  for (const name of ["", "empty", "link", "absent", "absent/below/etcd"]) {
    await checkWritable(join(dir.path, name));
  }

  deepStrictEqual(await treeHash(dir.path), before);
});

Deno.test("checkWritable() refuses what etcd cannot work in", async () => {
  await using dir = await tempDir();
  const at = (name: string) => join(dir.path, name);
  await write(at("file"));
  await Deno.symlink(at("nowhere"), at("dangling"));
  await Deno.mkdir(at("owned"));
  // root gives a directory away; other users check one of root's.
  const isRoot = Deno.uid() === 0;
  if (isRoot) await Deno.chown(at("owned"), 1, null);
  const cases: readonly [string, RegExp][] = [
    [at("file"), /it is not a directory$/],
    [at("file/etcd"), /file" is not a directory$/],
    [at("dangling"), /dangling" is a symbolic link to nothing$/],
    [at("dangling/etcd"), /dangling" is a symbolic link to nothing$/],
    [isRoot ? at("owned") : "/usr", /it belongs to user \d+, and kat-agent/],
    ["/proc/kat/etcd", /"\/proc": its file system takes no new files$|"\/"/],
  ];

  for (const [path, message] of cases) {
    const error = await checkWritable(path).then(() => undefined, (e) => e);
    ok(error instanceof KatError, `${path}: ${error}`);
    match(error.message, message);
    match(error.message, /^Cannot use the data directory "/);
    ok(error.hint);
  }
});

/** Runs a shell line with mounts of its own; undefined where that is not allowed. */
async function withPrivateMounts(line: string): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const flags = Deno.uid() === 0 ? ["-m"] : ["-rm"];
  const run = async (line: string) =>
    await new Deno.Command("unshare", {
      args: [...flags, "sh", "-c", line],
    }).output().catch(() => undefined);
  const probe = await run("mount -t tmpfs none /mnt");
  if (!probe?.success) return undefined;
  const output = await run(line);
  return new TextDecoder().decode(output?.stdout) +
    new TextDecoder().decode(output?.stderr);
}

Deno.test("checkWritable() refuses a read-only, a small and a full file system", async () => {
  await using dir = await tempDir();
  const script = new URL("../programs/check_writable.ts", import.meta.url);
  const check = `${Deno.execPath()} run -A ${script.pathname} ${dir.path}`;
  const mount = (options: string) =>
    `mount -t tmpfs -o mode=700,${options} none ${dir.path}`;
  const cases: readonly [string, RegExp][] = [
    [`${mount("size=128m")} && ${check}`, /^ok$/],
    [
      `${
        mount("size=128m")
      } && mount -o remount,ro,bind ${dir.path} && ${check}`,
      /: it is on a read-only file system$/,
    ],
    [`${mount("size=20m")} && ${check}`, /has 20 MB left, .* needs 64 MB$/],
    [
      `${mount("size=128m,nr_inodes=1")} && ${check}`,
      /: its disk is full, or takes no more files$/,
    ],
  ];

  for (const [line, said] of cases) {
    const output = await withPrivateMounts(line);
    // Where mounts are not allowed, the test only shows that nothing was mounted.
    if (output === undefined) await checkWritable(dir.path);
    else match(output, said);
  }
});
