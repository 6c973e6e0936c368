import assert from "node:assert/strict";
import { relative } from "node:path";

import { tempDir } from "../../tests/machine/temp_dir.ts";
import { ConfigError } from "./config_error.ts";
import { readClusterConfig } from "./read_cluster_config.ts";

const OPTIONS = { defaultDataDir: "/var/lib/kat" };
const GOOD = new URL("../../tests/testdata/valid/minimal.kat", import.meta.url);

/** The error for `path`, which has to come soon: nothing may wait for a writer. */
async function errorFor(path: string): Promise<ConfigError> {
  const start = performance.now();
  const error = await readClusterConfig(path, OPTIONS).then(
    () => assert.fail(`Read ${path}`),
    (error) => error,
  );
  assert(error instanceof ConfigError, String(error));
  assert(performance.now() - start < 5_000);
  assert.equal(error.exitCode, 78);
  assert.equal(error.problems.length, 1);
  return error;
}

Deno.test("readClusterConfig() reads a file by absolute, relative and linked path", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/cluster.kat`;
  await Deno.copyFile(GOOD, file);
  await Deno.symlink(file, `${dir.path}/link.kat`);
  const paths = [file, relative(Deno.cwd(), file), `${dir.path}/link.kat`];

  for (const path of paths) {
    const { name, spec } = await readClusterConfig(path, OPTIONS);
    assert.deepEqual([name, spec.dataDir], ["demo", "/var/lib/kat"]);
  }
});

Deno.test("readClusterConfig() names the file as it was given in every problem", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/cluster.kat`;
  await Deno.writeTextFile(file, "apiVersion: x\n");

  await assert.rejects(readClusterConfig(file, OPTIONS), (error) => {
    assert(error instanceof ConfigError);
    assert.equal(error.problems.length, 4);
    assert(error.problems.every((problem) => problem.file === file));
    return true;
  });
});

Deno.test("readClusterConfig() refuses a FIFO without waiting for a writer", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/fifo`;
  const { success } = await new Deno.Command("mkfifo", { args: [path] })
    .output();
  assert(success);

  const error = await errorFor(path);

  assert.equal(
    error.message,
    `${path}: cannot be read: it is a FIFO, not a regular file`,
  );
});

Deno.test("readClusterConfig() refuses directories, devices and sockets", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/socket`;
  using _listener = Deno.listen({ transport: "unix", path });

  assert.match((await errorFor(dir.path)).message, /it is a directory/);
  assert.match((await errorFor(dir.path)).hint ?? "", /cluster\.kat/);
  assert.match((await errorFor("/dev/zero")).message, /it is a device/);
  assert.match((await errorFor("/dev/null")).message, /it is a device/);
  assert.match((await errorFor(path)).message, /it is a socket/);
});

Deno.test("readClusterConfig() says why there is no file at a path", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/cluster.kat`;
  await Deno.copyFile(GOOD, file);
  await Deno.symlink(`${dir.path}/nothing`, `${dir.path}/dangling`);
  await Deno.symlink(`${dir.path}/loop`, `${dir.path}/loop`);
  const reasons: Readonly<Record<string, RegExp>> = {
    "": /there is no such file/,
    [`${dir.path}/missing.kat`]: /there is no such file/,
    [`${dir.path}/dangling`]: /there is no such file/,
    [`${dir.path}/loop`]: /form a circle/,
    [`${file}/cluster.kat`]: /not a directory/,
    [`/${"x".repeat(300)}`]: /too long/,
    "a\0b": /cannot be read/,
  };

  for (const [path, reason] of Object.entries(reasons)) {
    const error = await errorFor(path);
    assert.match(error.message, reason);
    assert.match(
      (await errorFor(`${dir.path}/missing.kat`)).hint ?? "",
      /path/,
    );
  }
});

Deno.test("readClusterConfig() refuses a file above 1 MiB before reading it", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/large.kat`;
  await Deno.writeTextFile(path, "");
  // Sparse: a terabyte that takes no room, and that nobody could read in time.
  await Deno.truncate(path, 2 ** 40);

  const error = await errorFor(path);

  assert.match(error.message, /it has 1099511627776 bytes, more than 1048576/);
});
