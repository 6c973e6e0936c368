import { match, strictEqual } from "node:assert/strict";
import { builtFile } from "../../machine/built_file.ts";
import { writeClusterFile } from "../../machine/cluster_file.ts";
import { bootSystemd, whyNoSystemd } from "../../machine/systemd_machine.ts";
import { tempDir } from "../../machine/temp_dir.ts";
import { etcdBinaries } from "../../machine/tested_etcd.ts";
import { BOX, UNIT } from "./install_machine.ts";

const reason = await whyNoSystemd();
/** Root's now; version 0.1.0 gave it to the service. */
const CACHE = "/var/cache/kat";
const SERVICE_CACHE = "/var/cache/kat-agent";

Deno.test(
  "a service of version 0.1.0 is taken over, and root believes nothing in its cache",
  {
    ignore: reason !== undefined,
  },
  async () => {
    await using built = await builtFile();
    if (built.form !== "portable") return;
    await using dir = await tempDir();
    const disk = dir.path;
    await Deno.chmod(disk, 0o755);
    for (
      const [from, name] of [
        [built.path, "kat-agent"],
        [etcdBinaries.etcd, "etcd"],
      ] as const
    ) {
      await Deno.copyFile(from, `${disk}/${name}`);
      await Deno.chmod(`${disk}/${name}`, 0o755);
    }
    const { path } = await writeClusterFile(disk, {
      spec: { etcd: `{binary: ${BOX}/etcd}` },
    });
    await Deno.chmod(path, 0o644);
    await using machine = await bootSystemd(disk);
    const sh = (words: string) => machine.read("sh", "-c", words);
    const agent = (...args: string[]) =>
      machine.read(
        ...["env", "HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
        ...[`${BOX}/kat-agent`, ...args],
      );
    const install = () =>
      agent(
        ...["systemd", "install", `--config=${BOX}/cluster.kat`],
        "--node-name=n1",
      );
    const ranFrom = () =>
      sh("readlink /proc/$(systemctl show --value -p MainPID kat-agent)/exe");

    // What version 0.1.0 left: its unit, and its cache, which the service could fill.
    await sh(`rm -rf ${CACHE}`);
    await install();
    await sh(
      `sed -i 's#${SERVICE_CACHE}#${CACHE}#; s#^CacheDirectory=.*#CacheDirectory=kat#' ${UNIT} && systemctl daemon-reload`,
    );
    const [name = ""] = (await sh(`ls ${CACHE}`)).split("\n");
    const size = await sh(`stat --format=%s ${CACHE}/${name}/main.js`);
    await sh(
      `cp -a ${CACHE}/${name}/main.js ${BOX}/main.js &&
    echo 'Deno.writeTextFileSync("${BOX}/ran", ""); //' >${CACHE}/${name}/main.js &&
    truncate -s ${size} ${CACHE}/${name}/main.js && chown -R kat: ${CACHE}`,
    );
    match(await agent("version"), /^kat-agent /);
    const fetched = await machine.run(
      ...["env", "PATH=/usr/bin:/bin", `${BOX}/kat-agent`, "etcd", "fetch"],
    );
    match(fetched.stderr, /rm -rf "\/var\/cache\/kat"/);
    strictEqual(/chown/.test(fetched.stderr), false, fetched.stderr);

    // The file is replaced, and the unit is still the old one.
    await sh(`cp -a ${BOX}/main.js ${CACHE}/${name}/main.js`);
    await sh("systemctl start kat-agent");
    strictEqual(await ranFrom(), `${CACHE}/${name}/kat-agent`);

    const said = await install();
    match(said, /^Replaced /);
    await sh("systemctl restart kat-agent");
    strictEqual(await ranFrom(), `${SERVICE_CACHE}/${name}/kat-agent`);
    const [, remove = ""] = /: (rm -rf .*)$/m.exec(said) ?? [];
    strictEqual(remove, `rm -rf ${CACHE}`, said);
    await sh(remove);

    match(await agent("status", "--data-dir=/var/lib/kat"), /node +n1/);
    strictEqual(
      await sh(`find ${CACHE} -maxdepth 1 -printf '%p %U\n'`),
      `${CACHE} 0\n${CACHE}/${name} 0`,
    );
    strictEqual(
      await sh(`find ${SERVICE_CACHE} ! -user kat -printf x`),
      "",
    );
    strictEqual(
      await Deno.lstat(`${disk}/ran`).then(() => true, () => false),
      false,
    );
    // Installed once more, nothing is left to be said.
    strictEqual(/rm -rf/.test(await install()), false);
    await sh("systemctl stop kat-agent");
  },
);
