import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { KatError } from "../errors.ts";
import { createOwn, openOwn, openOwnForChild } from "./open_own.ts";
import { makeOwnDir } from "./own_dir.ts";
import { namesInOwn, readOwn, readOwnText } from "./read_own.ts";
import { moveOwn, removeOwn, writeOwn } from "./write_own.ts";

/** A user that is neither root nor the one who runs the tests. */
const OTHER = 65534;
const isRoot = Deno.uid() === 0;

/** A directory of one's own with a file `secret` outside of `data`, which nothing may touch. */
async function place() {
  const path = await Deno.makeTempDir({ prefix: "kat-test-" });
  const [secret, data] = [`${path}/secret`, `${path}/data`];
  await Deno.writeTextFile(secret, "secret");
  await Deno.mkdir(data);
  return {
    data,
    secret,
    async [Symbol.asyncDispose]() {
      strictEqual(await Deno.readTextFile(secret), "secret");
      await Deno.remove(path, { recursive: true });
    },
  };
}

/** Tries all that could read or change what is at `path`; each must say `why`. */
async function allRefuse(path: string, why: RegExp): Promise<void> {
  const tries = {
    openOwn: () => openOwn(path),
    append: () => openOwn(path, { append: true, createMode: 0o600 }),
    openOwnForChild: () => openOwnForChild(path),
    readOwn: () => readOwn(path),
  };
  for (const [name, attempt] of Object.entries(tries)) {
    await rejects(attempt(), (error) => {
      if (!(error instanceof KatError)) throw error;
      strictEqual(why.test(error.message), true, `${name}: ${error.message}`);
      return true;
    }, name);
  }
}

Deno.test("openOwn() makes a file of its mode, takes it up at its end, and reads it", async () => {
  await using at = await place();
  const path = `${at.data}/log`;
  const append = async (text: string) => {
    using file = await openOwn(path, { append: true, createMode: 0o600 });
    await file.write(new TextEncoder().encode(text));
  };
  await append("one ");
  await append("two");
  const child = await openOwnForChild(path);
  await child.write(" three");
  await child.close();

  strictEqual(await readOwnText(path), "one two three");
  strictEqual(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  strictEqual(await readOwn(`${at.data}/none`), undefined);
  await rejects(openOwn(`${at.data}/none`), Deno.errors.NotFound);
  await rejects(createOwn(path), Deno.errors.AlreadyExists);
  await rejects(readOwn(path, { maxBytes: 12 }), /has 13 bytes/);
  strictEqual((await readOwn(path, { maxBytes: 13 }))?.length, 13);
});

Deno.test("own files are no links, pipes, directories, and not open to others", async () => {
  await using at = await place();
  const { data, secret } = at;
  await Deno.symlink(secret, `${data}/link`);
  await Deno.symlink(`${data}/new`, `${data}/dangling`);
  await new Deno.Command("mkfifo", { args: [`${data}/pipe`] }).output();
  await Deno.mkdir(`${data}/directory`);
  await Deno.writeTextFile(`${data}/open`, "");
  await Deno.chmod(`${data}/open`, 0o620);

  await allRefuse(`${data}/link`, /not a regular file, but a symbolic link$/);
  await allRefuse(
    `${data}/dangling`,
    /not a regular file, but a symbolic link$/,
  );
  await allRefuse(`${data}/pipe`, /a pipe or a device/);
  await allRefuse(
    `${data}/directory`,
    /it is not a regular file, but a directory/,
  );
  await allRefuse(`${data}/open`, /other users may write to it \(mode 0620\)/);
  for (const name of ["link", "dangling"]) {
    await rejects(createOwn(`${data}/${name}`), Deno.errors.AlreadyExists);
  }
  strictEqual(await readOwn(`${data}/new`), undefined);
});

Deno.test("writeOwn(), moveOwn() and removeOwn() take a link for itself", async () => {
  await using at = await place();
  const { data, secret } = at;
  for (const name of ["a", "b", "c"]) {
    await Deno.symlink(secret, `${data}/${name}`);
  }

  await writeOwn(`${data}/a`, "new", { mode: 0o640 });
  await moveOwn(`${data}/a`, `${data}/b`);
  await removeOwn(`${data}/c`);

  strictEqual(await readOwnText(`${data}/b`), "new");
  strictEqual(((await Deno.lstat(`${data}/b`)).mode ?? 0) & 0o777, 0o640);
  deepStrictEqual(await namesInOwn(data), ["b"]);
  deepStrictEqual(await namesInOwn(`${data}/none`), []);
});

Deno.test("nothing is made or changed directly in a sticky directory", {
  ignore: !isRoot,
}, async () => {
  await using at = await place();
  await Deno.chmod(at.data, 0o1777);
  await Deno.writeTextFile(`${at.data}/file`, "kept");
  const path = `${at.data}/file`;

  const why = /other users may make files in it/;
  await rejects(writeOwn(path, ""), why);
  await rejects(createOwn(`${path}.new`), why);
  await rejects(openOwn(path, { append: true }), why);
  await rejects(openOwnForChild(path), why);
  await rejects(removeOwn(path), why);
  strictEqual(await readOwnText(path), "kept");
  // A directory there is one's own once it is made.
  await writeOwn(`${await makeOwnDir(`${at.data}/mine`)}/file`, "new");
});

Deno.test("nothing of another user's is read, changed or made", {
  ignore: !isRoot,
}, async () => {
  await using at = await place();
  const { data } = at;
  await Deno.writeTextFile(`${data}/theirs`, "");
  await Deno.chown(`${data}/theirs`, OTHER, OTHER);
  await allRefuse(`${data}/theirs`, /it belongs to user 65534/);
  await Deno.chown(data, OTHER, OTHER);
  await allRefuse(`${data}/any`, /it belongs to user 65534/);
  await rejects(writeOwn(`${data}/any`, ""), /belongs to user 65534/);
  await rejects(namesInOwn(data), /belongs to user 65534/);
  await rejects(moveOwn(at.secret, `${data}/a`), /belongs to user 65534/);
  await rejects(makeOwnDir(`${data}/a/b`), /belongs to user 65534/);
});

Deno.test("makeOwnDir() makes directories of their modes whatever the umask, and leaves what is there", async () => {
  await using at = await place();
  const before = Deno.umask(0o777);
  try {
    await makeOwnDir(`${at.data}/a/b`, { mode: 0o700, parentMode: 0o755 });
  } finally {
    Deno.umask(before);
  }
  const modeOf = async (path: string) =>
    ((await Deno.stat(path)).mode ?? 0) & 0o777;
  strictEqual(await modeOf(`${at.data}/a`), 0o755);
  strictEqual(await modeOf(`${at.data}/a/b`), 0o700);

  await makeOwnDir(`${at.data}/a`, { mode: 0o700 });
  strictEqual(await modeOf(`${at.data}/a`), 0o755);
  await rejects(makeOwnDir(at.secret), /it is not a directory/);
});

Deno.test("makeOwnDir() hands over what it made, and nothing that it found", {
  ignore: !isRoot,
}, async () => {
  await using at = await place();
  const owner = { uid: OTHER, gid: OTHER };
  const made = await makeOwnDir(`${at.data}/a/made`, {
    owner,
    parentMode: 0o755,
  });
  await makeOwnDir(`${at.data}/a/made`, { owner });
  const { uid, gid, mode } = await Deno.stat(made);
  deepStrictEqual([uid, gid, (mode ?? 0) & 0o777], [OTHER, OTHER, 0o700]);
  strictEqual((await Deno.stat(`${at.data}/a`)).uid, 0);

  await rejects(makeOwnDir(at.data, { owner }), /not to user 65534/);
  await Deno.symlink(at.data, `${at.data}/link`);
  await rejects(makeOwnDir(`${at.data}/link`, { owner }), /not to user 65534/);
  strictEqual((await Deno.stat(at.data)).uid, 0);
  // Root makes nothing below a directory of theirs.
  await rejects(makeOwnDir(`${made}/x`, { owner }), /made" leads to it/);
});
