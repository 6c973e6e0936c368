import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { KatError } from "../base/errors.ts";
import { explainDenied, noNodeError } from "./no_node_error.ts";
import { systemdUnit } from "./systemd_unit.ts";

const HOME = "/nonexistent";
const BASE = { dataDir: "/home/ann/.local/share/kat", env: { HOME } };

/** A unit whose node has its data in `dataDir`. */
async function unitFile(dataDir: string) {
  const path = await Deno.makeTempFile({ prefix: "kat-test-" });
  await Deno.writeTextFile(
    path,
    systemdUnit({
      clusterName: "home",
      program: "/usr/local/bin/kat-agent",
      args: ["init", "--config", "/etc/kat/cluster.kat", "--data-dir", dataDir],
      reads: [],
      writes: [dataDir],
    }),
  );
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

Deno.test("noNodeError() tells an ordinary user of the service's node, with sudo and its path", async () => {
  for (const dataDir of ["/var/lib/kat", '/srv/my "kat" 100%$x\\']) {
    await using unit = await unitFile(dataDir);
    const error = await noNodeError({
      ...BASE,
      uid: 1000,
      unitPath: unit.path,
    });
    strictEqual(
      error.message,
      `Cannot find a node in "/home/ann/.local/share/kat": the node of this machine's service is in "${dataDir}"`,
    );
    strictEqual(
      error.hint,
      `Use sudo, with --data-dir ${JSON.stringify(dataDir)}`,
    );
  }
});

Deno.test("noNodeError() needs no sudo for root, and knows no service where none is", async () => {
  await using unit = await unitFile("/srv/kat");
  const at = (changes: { uid: number; unitPath: string }) =>
    noNodeError({ ...BASE, dataDir: "/var/lib/kat", ...changes });

  strictEqual(
    (await at({ uid: 0, unitPath: unit.path })).hint,
    'Give --data-dir "/srv/kat"',
  );
  strictEqual(
    (await at({ uid: 0, unitPath: "/nonexistent/unit" })).message,
    'Cannot find a node in "/var/lib/kat"',
  );
});

Deno.test("explainDenied() says sudo to who may not read, and leaves other errors alone", async () => {
  await using unit = await unitFile("/var/lib/kat");
  const denied = new KatError("x", {
    cause: new Deno.errors.PermissionDenied("x"),
  });
  const explain = async (error: unknown, uid = 1000) =>
    await explainDenied(error, {
      ...BASE,
      dataDir: "/var/lib/kat",
      uid,
      unitPath: unit.path,
    });

  const { message, hint } = await explain(denied) as KatError;
  deepStrictEqual([message, hint], [
    'Cannot look into "/var/lib/kat": only the service\'s user and root may',
    'Use sudo, with --data-dir "/var/lib/kat"',
  ]);
  strictEqual(await explain(denied, 0), denied);
  const other = new KatError("y");
  strictEqual(await explain(other), other);
});
