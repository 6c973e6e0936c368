import { deepStrictEqual, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { fakeEtcd } from "../../../tests/fakes/etcd_archive.ts";
import { tempDir } from "../../../tests/machine/temp_dir.ts";
import { KatError } from "../../base/errors.ts";
import { askVersion, withOtherPrograms } from "./etcd_binaries.ts";

async function program(path: string, text: string): Promise<string> {
  await Deno.writeTextFile(path, text, { mode: 0o755 });
  return path;
}

async function refusalOf(path: string, withinMs?: number): Promise<string> {
  const error = await askVersion(path, { withinMs })
    .then(() => undefined, (error) => error);
  ok(error instanceof KatError, `not a KatError: ${error}`);
  ok(error.message.includes(path), error.message);
  ok(error.hint !== undefined, "no hint");
  return error.message;
}

Deno.test("askVersion() reads what the program prints", async () => {
  await using dir = await tempDir();
  const etcd = await program(join(dir.path, "etcd"), fakeEtcd("3.5.30"));

  deepStrictEqual(await askVersion(etcd), { major: 3, minor: 5, patch: 30 });
});

Deno.test("askVersion() gives the program no environment", async () => {
  await using dir = await tempDir();
  const etcd = await program(
    join(dir.path, "etcd"),
    // A shell sets PWD and the like by itself, so ask for what it would not.
    `#!/bin/sh\n[ -z "$HOME" ] || exit 1\necho "etcd Version: 3.6.0"\n`,
  );
  ok(Deno.env.get("HOME") !== undefined, "this test needs a HOME");

  deepStrictEqual(await askVersion(etcd), { major: 3, minor: 6, patch: 0 });
});

Deno.test("askVersion() says why a program does not do", async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "etcd");

  match(await refusalOf(path), /no such file/);
  await Deno.mkdir(path);
  match(await refusalOf(path), /not a file/);
  await Deno.remove(path);
  await Deno.writeTextFile(path, fakeEtcd("3.6.14"), { mode: 0o644 });
  match(await refusalOf(path), /not executable/);
  await Deno.chmod(path, 0o755);
  await Deno.writeTextFile(
    path,
    "#!/bin/sh\necho one >&2; echo two >&2\nexit 3",
  );
  match(await refusalOf(path), /code 3: two$/);
  await Deno.writeTextFile(path, "#!/nowhere/sh\n");
  match(await refusalOf(path), /os error/);
});

Deno.test("askVersion() lets a program's output not steer the terminal", async () => {
  await using dir = await tempDir();
  const path = await program(
    join(dir.path, "etcd"),
    "#!/bin/sh\nprintf '\\033[2J' >&2\nexit 1\n",
  );

  ok(!(await refusalOf(path)).includes("\x1b"));
});

Deno.test("askVersion() ends a program that does not answer", async () => {
  await using dir = await tempDir();
  const path = await program(
    join(dir.path, "etcd"),
    "#!/bin/sh\nwhile :; do :; done\n",
  );

  match(await refusalOf(path, 100), /no answer within 0.1 s/);
});

Deno.test("askVersion() keeps the beginning of endless output only, and ends it", async () => {
  await using dir = await tempDir();
  const path = await program(
    join(dir.path, "etcd"),
    "#!/bin/sh\nwhile :; do echo etcd; done\n",
  );

  match(await refusalOf(path, 300), /no answer within 0.3 s/);
});

Deno.test("askVersion() ends the program when its signal aborts", async () => {
  await using dir = await tempDir();
  const path = await program(
    join(dir.path, "etcd"),
    "#!/bin/sh\nwhile :; do :; done\n",
  );
  const controller = new AbortController();
  const reason = new Error("stop");
  const asking = askVersion(path, { signal: controller.signal });

  controller.abort(reason);

  await rejects(asking, reason);
});

Deno.test("withOtherPrograms() takes those programs that can be run", async () => {
  await using dir = await tempDir();
  const etcd = await program(join(dir.path, "etcd"), fakeEtcd("3.4.23"));
  await program(join(dir.path, "etcdctl"), fakeEtcd("3.4.23"));
  await Deno.writeTextFile(join(dir.path, "etcdutl"), "no program");
  const version = await askVersion(etcd);

  deepStrictEqual(await withOtherPrograms(etcd, { version, source: "path" }), {
    etcd,
    etcdctl: join(dir.path, "etcdctl"),
    version,
    source: "path",
  });
});
