import {
  deepStrictEqual,
  match,
  strictEqual,
  throws,
} from "node:assert/strict";
import { readClusterConfig } from "../config/read_cluster_config.ts";
import {
  installed,
  nodeUnit,
  systemdUnit,
  type UnitOptions,
} from "./systemd_unit.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;

const options: UnitOptions = {
  clusterName: "home",
  program: "/usr/local/bin/kat-agent",
  args: ["init", "--config", "/etc/kat/cluster.kat"],
  reads: ["/etc/kat/cluster.kat"],
  writes: ["/var/lib/kat", "/var/lib/kat/backups", "/var/cache/kat-agent"],
};

/** The values of a setting, in their order. */
function settings(name: string, changes: Partial<UnitOptions>): string[] {
  const text = systemdUnit({ ...options, ...changes });
  return [...text.matchAll(new RegExp(`^${name}=((?:.*\\\\\n)*.*)$`, "gm"))]
    .map(([, value = ""]) => value);
}

Deno.test("systemdUnit() writes examples/kat-agent.service for examples/cluster.kat", async () => {
  const config = await readClusterConfig(`${EXAMPLES}cluster.kat`, {
    defaultDataDir: "/var/lib/kat",
  });
  const unit = nodeUnit(config, {
    program: "/usr/local/bin/kat-agent",
    file: "/etc/kat/cluster.kat",
    dataDir: config.spec.dataDir,
    cacheDir: "/var/cache/kat-agent",
    stateDir: "/var/lib/kat-agent",
    nodeName: "n1",
  });
  strictEqual(
    systemdUnit(unit),
    await Deno.readTextFile(`${EXAMPLES}kat-agent.service`),
  );
});

Deno.test("nodeUnit() hands on what was said of the node", async () => {
  const config = await readClusterConfig(`${EXAMPLES}cluster.kat`, {
    defaultDataDir: "/var/lib/kat",
  });
  const { args, reads, writes } = nodeUnit(config, {
    program: "/usr/bin/kat-agent",
    file: "/etc/kat/cluster.kat",
    dataDir: "/srv/kat",
    cacheDir: "/srv/cache",
    stateDir: "/srv/state",
    nodeName: "n1",
    advertiseAddress: "10.0.0.1",
    initialCluster: "n1=http://10.0.0.1:2380",
    etcdBinary: "/usr/bin/etcd",
    logFormat: "json",
    logLevel: "debug",
  });
  deepStrictEqual(args, [
    "init",
    ...["--config", "/etc/kat/cluster.kat"],
    ...["--data-dir", "/srv/kat"],
    ...["--cache-dir", "/srv/cache"],
    ...["--state-dir", "/srv/state"],
    ...["--node-name", "n1"],
    ...["--advertise-address", "10.0.0.1"],
    ...["--initial-cluster", "n1=http://10.0.0.1:2380"],
    ...["--etcd-binary", "/usr/bin/etcd"],
    ...["--log-format", "json"],
    ...["--log-level", "debug"],
  ]);
  deepStrictEqual(reads, ["/etc/kat/cluster.kat", "/usr/bin/etcd"]);
  deepStrictEqual(writes, [
    "/srv/kat",
    "/var/lib/kat/backups",
    "/srv/cache",
    "/srv/state",
  ]);
});

Deno.test("systemdUnit() lets systemd make what lies in its places, and opens the rest", () => {
  const writes = ["/var/lib/kat", "/srv/my backups", "/data/cache"];
  deepStrictEqual(settings("StateDirectory", {}), ["kat"]);
  deepStrictEqual(settings("CacheDirectory", {}), ["kat-agent"]);
  deepStrictEqual(settings("ReadWritePaths", {}), []);
  deepStrictEqual(settings("StateDirectory", { writes }), ["kat"]);
  deepStrictEqual(settings("ReadWritePaths", { writes }), [
    '"/srv/my backups" /data/cache',
  ]);
  deepStrictEqual(installed(writes), ["/srv/my backups", "/data/cache"]);
});

Deno.test("systemdUnit() shows the service what lies in homes, and nothing else of them", () => {
  deepStrictEqual(settings("ProtectHome", {}), ["yes"]);
  const changes = {
    program: "/home/ann/bin/kat-agent",
    writes: ["/home/ann/kat"],
  };
  deepStrictEqual(settings("ProtectHome", changes), ["tmpfs"]);
  deepStrictEqual(settings("BindPaths", changes), ['"/home/ann/kat"']);
  deepStrictEqual(settings("BindReadOnlyPaths", changes), [
    '"/home/ann/bin/kat-agent"',
  ]);
});

Deno.test("systemdUnit() refuses what no unit can say", () => {
  for (const program of ["/opt/it's", '/opt/"kat"', "/opt/a\\b"]) {
    throws(
      () => systemdUnit({ ...options, program }),
      /Cannot make a service that runs .*: systemd starts no program/,
    );
  }
  for (
    const changes of [
      { program: "/opt/a\nUser=root" },
      { reads: ["/etc/kat\t/cluster.kat"] },
      { writes: ["/srv/kat\u007f"] },
    ]
  ) {
    throws(
      () => systemdUnit({ ...options, ...changes }),
      /a control character/,
    );
  }
});

Deno.test("systemdUnit() refuses paths that do not last", () => {
  for (
    const changes of [
      { program: "/tmp/kat-agent" },
      { reads: ["/run/cluster.kat"] },
      { writes: ["/var/tmp/kat"] },
    ]
  ) {
    throws(() => systemdUnit({ ...options, ...changes }), /Cannot make a serv/);
  }
  match(
    systemdUnit({ ...options, program: "/tmpfiles/kat-agent" }),
    /tmpfiles/,
  );
});

Deno.test("systemdUnit() writes any path and argument so that systemd reads the same", () => {
  deepStrictEqual(
    settings("ExecStart", {
      program: "/opt/50 % $HOME/kat",
      args: [
        ...["init", "--node-name", "a --log-level debug"],
        ...["--data-dir", '/a "b" \\c\n$d'],
      ],
    }),
    [
      '"/opt/50 %% $HOME/kat" init \\\n  --node-name "a --log-level debug" \\\n  --data-dir "/a \\"b\\" \\\\c\\x0a$$d"',
    ],
  );
});

Deno.test("systemdUnit() lets pauses grow where systemd knows how", () => {
  deepStrictEqual(settings("RestartSteps", { systemdVersion: 252 }), []);
  deepStrictEqual(settings("RestartSec", { systemdVersion: 252 }), ["5"]);
  deepStrictEqual(settings("RestartSec", { systemdVersion: 254 }), ["1"]);
  deepStrictEqual(settings("RestartSteps", { systemdVersion: 254 }), ["8"]);
  deepStrictEqual(settings("RestartMaxDelaySec", { systemdVersion: 255 }), [
    "60",
  ]);
});
