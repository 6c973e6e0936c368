import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { AT, ownMachine, whyNoOwnMachine } from "../machine/own_machine.ts";
import { tempDir } from "../machine/temp_dir.ts";

const ignore = await whyNoOwnMachine() !== undefined;
const WROTE = "Wrote a new cluster.kat";

Deno.test(
  "init with nothing else makes a cluster for an ordinary user, and continues it",
  { ignore },
  async () => {
    await using dir = await tempDir();
    const prefix = await ownMachine(dir.path, {
      host: "My_NAS.home",
      isOrdinary: true,
    });
    const env = { HOME: `${AT}/home` };
    const file = `${AT}/home/.config/kat/cluster.kat`;
    const here = file.replace(AT, dir.path);
    {
      await using first = startAgent(["init"], { prefix, env });
      const wrote = await first.logged(WROTE);
      await first.logged("Became leader: my-nas.home");
      deepStrictEqual(
        ["file", "name", "clusterCIDR", "serviceCIDR"]
          .map((name) => wrote.fields[name]),
        [file, "my-nas", "10.100.0.0/16", "10.200.0.0/16"],
      );
      strictEqual((await first.stop()).code, 0);
    }
    const text = await Deno.readTextFile(here);

    await using second = startAgent(["init"], { prefix, env });
    await second.logged("Became leader: my-nas.home");

    const found = await second.logged("Uses the cluster.kat that it found");
    strictEqual(found.fields.file, file);
    strictEqual(await Deno.readTextFile(here), text);
    deepStrictEqual(
      (await Array.fromAsync(Deno.readDir(`${dir.path}/home/.config/kat`)))
        .map(({ name }) => name),
      ["cluster.kat"],
    );
  },
);

Deno.test(
  "init with nothing else makes a cluster for root, beside routes that collide",
  { ignore },
  async () => {
    await using dir = await tempDir();
    const prefix = await ownMachine(dir.path, { routes: ["10.0.0.0/8"] });
    await using agent = startAgent(["init"], { prefix });
    await agent.logged("Became leader: nas");

    const { fields } = await agent.logged(WROTE);
    strictEqual(fields.file, "/etc/kat/cluster.kat");
    strictEqual(fields.clusterCIDR, "172.31.0.0/16");
    strictEqual(fields.serviceCIDR, "172.30.0.0/16");
    const file = await Deno.stat(`${dir.path}/etc/kat/cluster.kat`);
    strictEqual((file.mode ?? 0) & 0o777, 0o644);
  },
);

Deno.test("init without a file takes the one in the current directory first", {
  ignore,
}, async () => {
  await using dir = await tempDir();
  const prefix = await ownMachine(dir.path);
  await runAgent(["config", "new", `${AT}/cluster.kat`], { prefix });
  await using agent = startAgent(["init"], { prefix });
  await agent.logged("Became leader: nas");

  const { fields } = await agent.logged("Uses the cluster.kat that it found");
  strictEqual(fields.file, `${AT}/cluster.kat`);
  deepStrictEqual(await Array.fromAsync(Deno.readDir(`${dir.path}/etc`)), []);
});

Deno.test(
  "init without a file continues the node that is there, with its own settings",
  { ignore },
  async () => {
    await using dir = await tempDir();
    const prefix = await ownMachine(dir.path);
    const file = `${dir.path}/cluster.kat`;
    await Deno.writeTextFile(
      file,
      `apiVersion: kat.dws.rip/v1alpha1
kind: ClusterConfiguration
metadata:
  name: other
spec:
  clusterCIDR: 10.7.0.0/16
  backupPath: /srv/backups
  leaderLeaseSeconds: 5
`,
    );
    const args = ["init", "--data-dir=data"];
    {
      await using first = startAgent(args, { prefix });
      await first.logged("Became leader: nas");
      strictEqual((await first.stop()).code, 0);
    }
    await Deno.remove(file);

    await using second = startAgent(args, { prefix });
    await second.logged("Became leader: nas");

    strictEqual((await second.logged(WROTE)).fields.name, "other");
    const text = await Deno.readTextFile(`${dir.path}/etc/kat/cluster.kat`);
    match(text, /^ {2}clusterCIDR: 10\.7\.0\.0\/16$/m);
    match(text, /^ {2}leaderLeaseSeconds: 5$/m);
    match(text, /^ {2}backupPath: \/srv\/backups$/m);
    ok(!second.lines.some(({ message }) => /Changed|differ/.test(message)));
  },
);

Deno.test(
  "of two inits at once on a fresh machine one makes the node, and the other names it",
  { ignore },
  async () => {
    await using dir = await tempDir();
    const inner = await ownMachine(dir.path);
    // Both in one network, as they are on one machine.
    await using first = startAgent(["init"], { prefix: inner });
    const other = [
      "nsenter",
      `--target=${first.pid}`,
      "--mount",
      "--uts",
      "--net",
    ];
    await first.logged(WROTE);
    const second = startAgent(["init"], { prefix: other });
    const ended = await Promise.race([
      second.ended.then(({ code, stderr }) => ({ code, stderr, won: first })),
      first.ended.then(({ code, stderr }) => ({ code, stderr, won: second })),
    ]);
    await using won = ended.won;
    await won.logged("Became leader: nas");

    strictEqual(ended.code, 1, ended.stderr);
    match(ended.stderr, /another kat-agent (?:is making its node|uses it)/);
  },
);

/** What stands in the way of a file, and what is said. */
const REFUSED: readonly (readonly [
  name: string,
  options: {
    readonly home?: string;
    readonly readOnly?: string;
    readonly routes?: readonly string[];
    readonly args?: readonly string[];
  },
  code: number,
  says: RegExp,
])[] = [
  [
    "HOME cannot be written to",
    { readOnly: `${AT}/home` },
    1,
    /Cannot write ".*cluster\.kat": .*[Rr]ead-only[^]*config new FILE/,
  ],
  ["HOME is not set", { home: "" }, 2, /HOME is not set[^]*--config/],
  [
    "HOME does not exist",
    { home: "/proc/nonexistent" },
    1,
    /Cannot (?:write|use) "/,
  ],
  [
    "no network is free",
    {
      routes: [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
      ],
    },
    1,
    /all private IPv4 networks[^]*--config/,
  ],
  [
    "several nodes need the same one",
    {
      args: [
        "--initial-cluster=nas=http://127.0.0.1:2380,n2=http://127.0.0.2:2380",
      ],
    },
    2,
    /the same on all of them\n.*config new cluster\.kat/,
  ],
];
for (const [name, options, code, says] of REFUSED) {
  Deno.test(
    `init without a file says what to do where ${name}`,
    { ignore },
    async () => {
      await using dir = await tempDir();
      const { home = `${AT}/home`, args = [], ...machine } = options;
      const prefix = await ownMachine(dir.path, {
        isOrdinary: true,
        ...machine,
      });

      const result = await runAgent(
        ["init", `--data-dir=${AT}/data`, ...args],
        {
          prefix,
          env: {
            HOME: home,
            // Where the one file unpacks to, whatever HOME is.
            KAT_CACHE_DIR: `${AT}/cache`,
            KAT_ETCD_BINARY: etcdBinaries.etcd,
          },
        },
      );

      strictEqual(result.code, code, result.stderr);
      match(result.stderr, says);
      deepStrictEqual(
        await Array.fromAsync(Deno.readDir(`${dir.path}/home`)),
        [],
      );
    },
  );
}

Deno.test(
  "init does not take a cluster.kat that another user may have put there, unless it is named",
  { ignore },
  async () => {
    await using dir = await tempDir();
    const shared = `${dir.path}/shared`;
    await Deno.mkdir(shared);
    await Deno.chmod(shared, 0o1777);
    await Deno.writeTextFile(`${shared}/cluster.kat`, "theirs");
    await Deno.chown(`${shared}/cluster.kat`, 65_000, 65_000);
    const prefix = await ownMachine(dir.path, { cwd: `${AT}/shared` });

    const result = await runAgent(["init"], { prefix });

    strictEqual(result.code, 1, result.stderr);
    match(result.stderr, /belongs to user 65000[^]*--config cluster\.kat/);
    deepStrictEqual(await Array.fromAsync(Deno.readDir(`${dir.path}/etc`)), []);
  },
);

Deno.test("config new prints a valid file, or writes it where none is", {
  ignore,
}, async () => {
  await using dir = await tempDir();
  const prefix = await ownMachine(dir.path, { host: "localhost" });
  const file = `${AT}/new/cluster.kat`;
  const here = file.replace(AT, dir.path);

  const printed = await runAgent(["config", "new"], { prefix });
  const dashed = await runAgent(["config", "new", "-"], { prefix });
  const written = await runAgent(["config", "new", file], { prefix });
  const text = await Deno.readTextFile(here);
  await Deno.writeTextFile(here, "mine");
  const again = await runAgent(["config", "new", file], { prefix });

  deepStrictEqual([printed.code, printed.stdout], [0, text]);
  strictEqual(dashed.stdout, text);
  deepStrictEqual([written.code, written.stdout], [0, `Wrote ${file}\n`]);
  match(text, /^ {2}name: "kat"$/m);
  strictEqual(again.code, 1);
  match(again.stderr, /it exists already\n.*another name/);
  strictEqual(await Deno.readTextFile(here), "mine");
  const dangling = `${AT}/link.kat`;
  await Deno.symlink("nowhere", `${dir.path}/link.kat`);
  const linked = await runAgent(["config", "new", dangling], { prefix });
  strictEqual(linked.code, 1);
});
