import { match, rejects, strictEqual } from "node:assert/strict";
import {
  anyDataDirectory,
  inspectDataDirectory,
} from "../../../src/agent/data_directory.ts";
import { encodeNodeRecord } from "../../../src/agent/node_record.ts";
import { readClusterConfig } from "../../../src/config/read_cluster_config.ts";
import { runAgent } from "../../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../../machine/cluster_file.ts";
import { etcdBinaries } from "../../machine/tested_etcd.ts";
import { giveAway, scene, whyNoOtherUser } from "./other_user.ts";

const ignore = whyNoOtherUser !== undefined;

Deno.test(
  "root looks at the node of another user, and reads nothing of it through a link",
  { ignore },
  async () => {
    await using at = await scene();
    const data = `${at.theirs}/data`;
    await Deno.mkdir(data);
    const file = await writeClusterFile(at.path);
    const { name, spec } = await readClusterConfig(file.path, {
      defaultDataDir: data,
    });
    const record = encodeNodeRecord({
      state: "initialising",
      clusterName: name,
      nodeName: "n1",
      advertiseAddress: "127.0.0.1",
      initialCluster: [],
      spec,
    });
    await Deno.writeTextFile(`${data}/node.json`, record);
    await Deno.symlink(data, `${at.theirs}/link`);
    await giveAway(at.theirs);

    const found = await inspectDataDirectory(
      await anyDataDirectory(`${at.theirs}/link`),
    );
    strictEqual(found?.nodeName, "n1");

    await Deno.writeTextFile(`${at.path}/secret.json`, record);
    await Deno.remove(`${data}/node.json`);
    await Deno.symlink(`${at.path}/secret.json`, `${data}/node.json`);
    await giveAway(at.theirs);
    await rejects(
      inspectDataDirectory(data),
      /not a regular file, but a symbolic link/,
    );
  },
);

/** What a cluster.kat says that decides which program runs. */
/** Another user's program, which leaves a mark and runs etcd. */
async function writeEvil(
  { path, theirs }: { readonly path: string; readonly theirs: string },
): Promise<{ readonly evil: string; readonly marker: string }> {
  const marker = `${path}/ran`;
  const evil = `${theirs}/evil`;
  await Deno.writeTextFile(
    evil,
    `#!/bin/sh\n: >'${marker}'\nexec '${etcdBinaries.etcd}' "$@"\n`,
    { mode: 0o755 },
  );
  return { evil, marker };
}

const NAMED = [
  ["binary", (evil: string) => `{binary: ${evil}}`],
  [
    "sha256",
    () => `{sha256: "${"a".repeat(64)}", mirror: "http://127.0.0.1:9/"}`,
  ],
] as const;

for (const [field, etcdOf] of NAMED) {
  Deno.test(
    `root runs nothing that spec.etcd.${field} in another user's cluster.kat names`,
    { ignore },
    async () => {
      await using at = await scene();
      const { evil, marker } = await writeEvil(at);
      const file = await writeClusterFile(at.theirs, {
        spec: { etcd: etcdOf(evil) },
      });
      await giveAway(at.theirs);
      const start = (env = {}) =>
        runAgent(initArgs(file, `${at.path}/data`), {
          env: { KAT_CACHE_DIR: `${at.path}/cache`, ...env },
          prefix: ["timeout", "--signal=TERM", "5"],
        });

      const { code, stderr } = await start();
      strictEqual(code, 1, stderr);
      match(stderr, new RegExp(`as root what spec\\.etcd\\.${field} in `));
      match(stderr, /belongs to user 65534/);
      strictEqual(
        await Deno.lstat(marker).then(() => true, () => false),
        false,
      );
      // Who names another program believes nothing of the file.
      const named = await start({ KAT_ETCD_BINARY: etcdBinaries.etcd });
      match(named.stderr, /Became leader/);
    },
  );
}

Deno.test(
  "root runs nothing that a cluster.kat names which is replaced by one of root's after it was read",
  { ignore },
  async () => {
    await using at = await scene();
    const { evil, marker } = await writeEvil(at);
    const { path: foreign } = await writeClusterFile(at.theirs, {
      spec: { etcd: `{binary: ${evil}}` },
    });
    // What takes a while to be read leaves time.
    await Deno.writeTextFile(foreign, `# ${"-".repeat(70)}\n`.repeat(10_000), {
      append: true,
    });
    await giveAway(at.theirs);
    const { path: own } = await writeClusterFile(at.path, { name: "own.kat" });
    // As /tmp is.
    const all = `${at.path}/all`;
    await Deno.mkdir(all);
    await Deno.chmod(all, 0o1777);
    const file = `${all}/cluster.kat`;
    await Deno.rename(foreign, file);

    // Another user can do so with a file of root's that lies in a directory of theirs.
    await Deno.utime(file, 0, new Date());
    let isOver = false;
    const exchanged = (async () => {
      while (!isOver) {
        // Even a file system that spares writes notes the first reading.
        const { atime } = await Deno.stat(file);
        if (atime?.getTime() === 0) continue;
        await Deno.rename(own, file);
        return true;
      }
      return false;
    })();
    const { stderr } = await runAgent([
      ...["init", `--config=${file}`, `--data-dir=${at.path}/data`],
      "--node-name=n1",
    ], {
      env: { KAT_CACHE_DIR: `${at.path}/cache` },
      prefix: ["timeout", "--signal=TERM", "5"],
    });
    isOver = true;

    strictEqual(await exchanged, true, "nothing was read");
    strictEqual(
      await Deno.lstat(marker).then(() => true, () => false),
      false,
      stderr,
    );
  },
);
