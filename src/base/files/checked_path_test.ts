import { rejects, strictEqual } from "node:assert/strict";
import { KatError } from "../errors.ts";
import { checkedPath } from "./checked_path.ts";

/** A user that is neither root nor the one who runs the tests. */
const OTHER = 65534;
const isRoot = Deno.uid() === 0;

/** A directory that belongs to who runs the tests, without links in its path. */
async function ownDir(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.realPath(
    await Deno.makeTempDir({ prefix: "kat-test-" }),
  );
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

async function refuses(
  path: string,
  why: RegExp,
  options?: Parameters<typeof checkedPath>[1],
): Promise<void> {
  await rejects(checkedPath(path, options), (error) => {
    if (!(error instanceof KatError)) throw error;
    strictEqual(why.test(error.message), true, error.message);
    strictEqual((error.hint ?? "") !== "", true, "no hint");
    return true;
  });
}

Deno.test("checkedPath() returns the path without links, with what is missing as it is written", async () => {
  await using dir = await ownDir();
  await Deno.mkdir(`${dir.path}/real/below`, { recursive: true });
  await Deno.symlink("real", `${dir.path}/link`);
  await Deno.symlink(`${dir.path}/link/below`, `${dir.path}/far`);
  await Deno.symlink("../link/./below", `${dir.path}/real/up`);

  const { path } = dir;
  strictEqual(await checkedPath(`${path}/real/`), `${path}/real`);
  strictEqual(await checkedPath(`${path}/link/a/b`), `${path}/real/a/b`);
  strictEqual(await checkedPath(`${path}/far`), `${path}/real/below`);
  strictEqual(await checkedPath(`${path}/link/up/x`), `${path}/real/below/x`);
  strictEqual(await checkedPath(`${path}/none/x`), `${path}/none/x`);
  strictEqual(await checkedPath("/"), "/");
});

Deno.test("checkedPath() names the component that others may write to", async () => {
  await using dir = await ownDir();
  const open = `${dir.path}/open`;
  await Deno.mkdir(`${open}/below`, { recursive: true });
  for (const mode of [0o775, 0o757, 0o1777]) {
    await Deno.chmod(open, mode);
    // A sticky directory is believed if it is root's, as in a test that root runs.
    if (isRoot && mode === 0o1777) continue;
    await refuses(`${open}/below/x`, /open" leads to it, and other users may/);
    await refuses(open, /open": other users may write to it/);
  }
});

Deno.test("checkedPath() refuses files on the way, circles and links to nothing it could enter", async () => {
  await using dir = await ownDir();
  await Deno.writeTextFile(`${dir.path}/file`, "");
  await Deno.symlink("circle", `${dir.path}/circle`);
  await Deno.symlink("file/..", `${dir.path}/through`);
  await Deno.symlink("none/../file", `${dir.path}/nothing`);

  await refuses(`${dir.path}/file/x`, /file" leads to it, and it is not a dir/);
  await refuses(`${dir.path}/circle`, /symbolic link/);
  await refuses(`${dir.path}/through/x`, /not a directory/);
  await rejects(checkedPath(`${dir.path}/nothing`), Deno.errors.NotFound);
});

Deno.test("checkedPath() within a directory takes no link and nothing above it", async () => {
  await using dir = await ownDir();
  const data = `${dir.path}/data`;
  await Deno.mkdir(`${data}/etcd`, { recursive: true });
  await Deno.symlink("etcd", `${data}/link`);
  // Not looked at: a thread may not, and the main one has.
  await Deno.chmod(dir.path, 0o777);
  const within = data;

  strictEqual(
    await checkedPath(`${data}/etcd/x`, { within }),
    `${data}/etcd/x`,
  );
  strictEqual(await checkedPath(data, { within }), data);
  await refuses(`${data}/link/x`, /link" leads to it, and it is a symb/, {
    within,
  });
  await rejects(checkedPath(`${data}/../x`, { within }), /is not below/);
  await rejects(checkedPath(`${data}-beside`, { within }), /is not below/);
  await Deno.chmod(data, 0o770);
  await refuses(`${data}/etcd`, /data" leads to it, and other users/, {
    within,
  });
});

Deno.test(
  "checkedPath() refuses what another user owns, wherever it is in the path",
  {
    ignore: !isRoot,
  },
  async () => {
    await using dir = await ownDir();
    const theirs = `${dir.path}/theirs`;
    await Deno.mkdir(`${theirs}/mine`, { recursive: true });
    await Deno.chown(theirs, OTHER, OTHER);
    await Deno.symlink(`${dir.path}/theirs/mine`, `${dir.path}/mine`);
    await Deno.symlink("/etc", `${dir.path}/link`);
    const { lchown } = await import("node:fs/promises");
    await lchown(`${dir.path}/link`, OTHER, OTHER);

    await refuses(theirs, /theirs": it belongs to user 65534/);
    await refuses(`${theirs}/mine/x`, /theirs" leads to it, and it belongs to/);
    await refuses(`${dir.path}/mine`, /theirs" leads to it/);
    await refuses(`${dir.path}/link`, /link": it is a link of user 65534/);
    await refuses(
      `${dir.path}/link/passwd`,
      /link" leads to it, and it is a link/,
    );
  },
);

Deno.test(
  "checkedPath() with an owner wants the last component to be theirs, and no other",
  {
    ignore: !isRoot,
  },
  async () => {
    await using dir = await ownDir();
    const theirs = `${dir.path}/theirs`;
    await Deno.mkdir(`${theirs}/below`, { recursive: true });
    for (const path of [theirs, `${theirs}/below`]) {
      await Deno.chown(path, OTHER, OTHER);
    }
    await Deno.symlink("theirs", `${dir.path}/link`);
    const owner = OTHER;

    strictEqual(await checkedPath(theirs, { owner }), theirs);
    strictEqual(await checkedPath(`${dir.path}/link`, { owner }), theirs);
    await refuses(dir.path, /belongs to user 0, not to user 65534/, { owner });
    await refuses(`${theirs}/below`, /theirs" leads to it/, { owner });
    const { lchown } = await import("node:fs/promises");
    await lchown(`${dir.path}/link`, OTHER, OTHER);
    await refuses(`${dir.path}/link`, /it is a link of user/, { owner });
  },
);
