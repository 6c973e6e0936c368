import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { whyNoSystemd } from "../../machine/systemd_machine.ts";
import { bootForInstall, BOX, UNIT } from "./install_machine.ts";

const reason = await whyNoSystemd();

/** Names of directories that a unit could say wrongly. */
const NAMES = [
  "plain",
  "with blank",
  "two  blanks",
  " leading",
  "trailing ",
  "a --help \\",
  "a --log-level debug",
  "a:b",
  "x:/etc",
  ":",
  "50%n %% %h",
  'quo"te',
  "it's",
  "'",
  "a,b",
  "{a,b}",
  "[a-z]*?",
  "$HOME ${HOME} $$",
  "back\\slash",
  "back\\x20slash\\",
  "semi;colon",
  ";",
  "#hash",
  "-dash",
  "+plus",
  "!bang@at|pipe",
  "a=b",
  "ünïcödé 日本 🙂",
  "tab\there",
  "line\nUser=root",
];
/** Beyond names of users, where a service sees files by other settings. */
const PARENTS = [
  ["a place of its own", `${BOX}/p`, undefined],
  ["a home", "/home/p", undefined],
  ["the system's state", "/var/lib/p", undefined],
  ["a home with the program and the file", "/home/q", "/home/r"],
] as const;

/** Makes the service end by itself, whatever it runs, and lets it write down what it read. */
const DROP_IN = `[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ReadWritePaths=${BOX}/out
`;

Deno.test(
  "a unit names paths so that systemd reads the same, or it is refused",
  {
    ignore: reason !== undefined,
  },
  async (t) => {
    await using box = await bootForInstall();
    const { machine, disk, install, reset } = box;
    await Deno.mkdir(`${disk}/out`);
    await Deno.chmod(`${disk}/out`, 0o777);
    for (const [, parent] of PARENTS) await machine.read("mkdir", "-p", parent);
    // Makes the user.
    strictEqual((await install([])).code, 0);
    await reset();

    const shown = async (setting: string) =>
      (await machine.read(
        ...["systemctl", "show", "--value"],
        ...[`--property=${setting}`, "kat-agent"],
      )).replace(/\n$/, "");

    let refused = 0;
    for (const [where, parent, reads] of PARENTS) {
      for (const name of NAMES) {
        await t.step(`${JSON.stringify(name)} in ${where}`, async () => {
          const data = `${parent}/${name}`;
          const backups = `${parent}/${name}.b`;
          await using _after = { [Symbol.asyncDispose]: reset };
          for (const file of ["args", "failed", "errors"]) {
            await Deno.remove(`${disk}/out/${file}`).catch(() => {});
          }

          const { code, stderr } = await install(
            ["--data-dir", data, "--cache-dir", `${data}/cache`],
            reads === undefined
              ? { backups }
              : { backups, reads: `${reads}/${name}` },
          );
          if (code !== 0) {
            match(stderr, /^kat-agent: (?:Cannot |.* has a control or)/m);
            refused += 1;
            return;
          }
          const unit = await machine.read("cat", UNIT);
          const verified = await machine.run("systemd-analyze", "verify", UNIT);
          deepStrictEqual(verified, { code: 0, stdout: "", stderr: "" }, unit);

          await machine.read("mkdir", "-p", `${UNIT}.d`);
          await Deno.writeTextFile(`${disk}/drop-in`, DROP_IN);
          await machine.read("cp", `${BOX}/drop-in`, `${UNIT}.d/test.conf`);
          await machine.read("systemctl", "daemon-reload");
          const started = await machine.run("systemctl", "start", "kat-agent");
          const log = started.code === 0
            ? ""
            : await machine.read("journalctl", "-u", "kat-agent", "-n", "8");
          strictEqual(started.code, 0, `${log}\n${unit}`);
          const args = (await Deno.readTextFile(`${disk}/out/args`)).split(
            "\0",
          );
          strictEqual(args[args.indexOf("--data-dir") + 1], data, unit);
          strictEqual(args[args.indexOf("--cache-dir") + 1], `${data}/cache`);
          strictEqual(args.includes("--log-level"), false, unit);
          const failed = await Deno.readTextFile(`${disk}/out/failed`)
            .catch(() => "");
          // The cache lies within and is the agent's to make.
          ok(!/--(?:data-dir|config)/.test(failed), `${failed}\n${unit}`);
          strictEqual(
            (await machine.run("test", "-f", `${data}/recorded`)).code,
            0,
            `the service wrote elsewhere\n${unit}`,
          );
          const bound = (...paths: readonly string[]) =>
            paths.filter((path) => path.startsWith("/home/"))
              .map((path) => `${path}:${path}:rbind`).join(" ");
          strictEqual(await shown("BindPaths"), bound(data, backups), unit);
          strictEqual(
            await shown("BindReadOnlyPaths"),
            bound(
              ...["recorder", "cluster.kat"].map((file) =>
                `${reads ?? BOX}${
                  reads === undefined ? "" : `/${name}`
                }/${file}`
              ),
            ),
            unit,
          );
        });
      }
    }

    await t.step("most of them can be used", () => {
      const count = PARENTS.length * NAMES.length;
      ok(refused < count / 4, `${refused} of ${count} were refused`);
    });
  },
);
