import { match, strictEqual } from "node:assert/strict";
import { whyNoSystemd } from "../../machine/systemd_machine.ts";
import { bootForInstall, UNIT } from "./install_machine.ts";

const reason = await whyNoSystemd();

/** Directories that systemd would hand to the service, with all that is in them, at each start. */
const REFUSED = [
  {
    name: "another service's",
    lay:
      "mkdir -p /var/lib/other && echo x >/var/lib/other/file && chown -R nobody: /var/lib/other",
    args: ["--data-dir=/var/lib/other"],
    kept: "/var/lib/other",
  },
  {
    name: "another service's, as its cache",
    lay:
      "mkdir -p /var/cache/other && echo x >/var/cache/other/file && chown -R nobody: /var/cache/other",
    args: ["--cache-dir=/var/cache/other"],
    kept: "/var/cache/other",
  },
  {
    name: "another service's, for backups",
    lay:
      "mkdir -p /var/lib/saved && echo x >/var/lib/saved/file && chown -R nobody: /var/lib/saved",
    args: [],
    backups: "/var/lib/saved",
    kept: "/var/lib/saved",
  },
  {
    name: "a directory of root's that holds something else",
    lay: "mkdir -p /var/lib/packages && echo x >/var/lib/packages/list",
    args: ["--data-dir=/var/lib/packages"],
    kept: "/var/lib/packages",
  },
  {
    name: "another user's link to a directory of root's",
    lay:
      "mkdir -p /var/lib/ann /var/lib/roots && echo x >/var/lib/roots/list && ln -s ../roots /var/lib/ann/kat && chown -h nobody: /var/lib/ann /var/lib/ann/kat",
    args: ["--data-dir=/var/lib/ann/kat"],
    kept: "/var/lib/roots",
  },
  {
    name: "a new directory below another user's",
    lay: "mkdir -p /var/lib/bob && chown nobody: /var/lib/bob",
    args: ["--data-dir=/var/lib/bob/kat"],
    kept: "/var/lib/bob",
  },
  {
    name: "a link of root's, which systemd does not follow,",
    lay: "mkdir -p /var/far && ln -s /var/far /var/lib/linked",
    args: ["--data-dir=/var/lib/linked"],
    kept: "/var/far",
  },
  {
    name: "a directory below a link of the service's",
    lay:
      "mkdir -p /var/lib/mine /var/lib/aim && ln -s /var/lib/aim /var/lib/mine/x && chown -h kat: /var/lib/mine /var/lib/mine/x",
    args: ["--data-dir=/var/lib/mine/x/new"],
    kept: "/var/lib/aim",
  },
] as const;

/** Those that the service may have. */
const TAKEN = [
  { name: "that is missing", lay: "true" },
  { name: "of root's that is empty", lay: "mkdir /var/lib/kat" },
  {
    name: "of root's that is a node's",
    lay:
      "mkdir -m 700 /var/lib/kat && echo '{}' >/var/lib/kat/node.json && mkdir -p /var/lib/kat/etcd/member && : >/var/lib/kat/agent.lock",
  },
  {
    name: "of the service's own whose backups are below it",
    lay: "mkdir -p /var/lib/kat/backups && chown -R kat: /var/lib/kat",
    args: ["--data-dir=/var/lib/kat-2"],
  },
  {
    name: "of the service's own",
    lay:
      "mkdir /var/lib/kat && echo x >/var/lib/kat/file && chown -R kat: /var/lib/kat",
  },
] as const;

Deno.test(
  "systemd gives the service no directory that it found below /var/lib and /var/cache",
  {
    ignore: reason !== undefined,
  },
  async (t) => {
    await using box = await bootForInstall();
    const { machine, install, reset } = box;
    const stateOf = (path: string) =>
      machine.read("find", path, "-printf", "%p %U %m\n");
    // Makes the user.
    await install([]);
    await reset();

    for (const { name, lay, args, kept, ...rest } of REFUSED) {
      await t.step(`${name} stays as it is`, async () => {
        await machine.read("sh", "-c", lay);
        const before = await stateOf(kept);

        const { code, stderr } = await install(args, rest);
        await machine.run("systemctl", "start", "kat-agent");
        const isInstalled = (await machine.run("test", "-e", UNIT)).code === 0;
        await reset();

        strictEqual(await stateOf(kept), before);
        strictEqual(code, 1, stderr);
        match(stderr, /Cannot install: "[^"]+" cannot be the service's: /);
        strictEqual(isInstalled, false);
      });
    }

    for (const { name, lay, ...rest } of TAKEN) {
      await t.step(`a data directory ${name} is the service's`, async () => {
        await machine.read("rm", "-rf", "/var/lib/kat");
        await machine.read("sh", "-c", lay);

        const { code, stderr } = await install(
          "args" in rest ? rest.args : [],
        );
        strictEqual(code, 0, stderr);
        await machine.run("systemctl", "start", "kat-agent");
        await reset();

        const owners = await machine.read(
          ...["find", "/var/lib/kat", "!", "-user", "kat"],
        );
        strictEqual(owners, "");
      });
    }
  },
);
