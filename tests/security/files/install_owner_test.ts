import { ok, strictEqual } from "node:assert/strict";
import { whyNoSystemd } from "../../machine/systemd_machine.ts";
import type { Swaps } from "../../programs/swap_names.ts";
import {
  bootForInstall,
  BOX,
  type InstallMachine,
  UNIT,
} from "./install_machine.ts";
import { giveAway, startProgram } from "./other_user.ts";

const reason = await whyNoSystemd();
/** Each is an installation. */
const INSTALLS = 60;

/** A directory to install into, and what of root's must stay root's and as it is. */
interface Row {
  readonly name: string;
  /** Lays the trap on the disk, `at` being what it is called in the machine; returns the data directory. */
  readonly lay: (disk: string, at: string) => Promise<string>;
  /** What must not be there. */
  readonly absent?: string;
}

async function ann(disk: string): Promise<string> {
  await Deno.mkdir(`${disk}/ann`);
  return `${disk}/ann`;
}

const ROWS: readonly Row[] = [
  {
    name: "that is a link of another user's to a directory of root's",
    async lay(disk, at) {
      await Deno.symlink(`${at}/roots`, `${await ann(disk)}/kat`);
      await giveAway(`${disk}/ann`);
      return `${at}/ann/kat`;
    },
  },
  {
    name: "below a link of another user's to a directory of root's",
    async lay(disk, at) {
      await Deno.symlink(`${at}/roots`, `${await ann(disk)}/p`);
      await giveAway(`${disk}/ann`);
      return `${at}/ann/p/new`;
    },
    absent: "roots/new",
  },
  {
    name: "two levels below a link of another user's",
    async lay(disk, at) {
      await Deno.symlink(`${at}/roots`, `${await ann(disk)}/p`);
      await giveAway(`${disk}/ann`);
      return `${at}/ann/p/more/new`;
    },
    absent: "roots/more",
  },
  {
    name: "that would be made below a directory of another user's",
    async lay(disk, at) {
      await giveAway(await ann(disk));
      return `${at}/ann/new`;
    },
    absent: "ann/new",
  },
  {
    name: "that is an empty directory of root's",
    lay: (_, at) => Promise.resolve(`${at}/roots`),
  },
  {
    name: "that is an empty directory of another user's",
    async lay(disk, at) {
      await giveAway(await ann(disk));
      return `${at}/ann`;
    },
  },
];

/** What `find` says of what is the machine's root's: owner, mode, names. */
async function stateOf(
  { machine }: InstallMachine,
  at: string,
): Promise<string> {
  return await machine.read("find", `${at}/roots`, "-printf", "%p %U %m\n");
}

Deno.test("systemd install gives nothing away that it found", {
  ignore: reason !== undefined,
}, async (t) => {
  await using box = await bootForInstall();
  const { machine, disk, install, reset } = box;
  let count = 0;
  async function place() {
    const name = `row-${++count}`;
    await Deno.mkdir(`${disk}/${name}/roots`, { recursive: true, mode: 0o755 });
    return { here: `${disk}/${name}`, there: `${BOX}/${name}` };
  }

  for (const { name, lay, absent } of ROWS) {
    await t.step(`a data directory ${name} is refused`, async () => {
      const { here, there } = await place();
      const data = await lay(here, there);
      const before = await stateOf(box, there);
      const annBefore = await Deno.stat(`${here}/ann`).catch(() => undefined);

      const { code, stderr } = await install([`--data-dir=${data}`]);
      const isInstalled = (await machine.run("test", "-e", UNIT)).code === 0;
      await reset();

      strictEqual(await stateOf(box, there), before);
      const annAfter = await Deno.stat(`${here}/ann`).catch(() => undefined);
      strictEqual(annAfter?.uid, annBefore?.uid);
      if (absent !== undefined) {
        strictEqual(
          await Deno.lstat(`${here}/${absent}`).then(() => true, () => false),
          false,
          `${absent} was made`,
        );
      }
      strictEqual(code, 1, stderr);
      strictEqual(isInstalled, false);
    });
  }

  await t.step(
    `nothing of root's is given away in ${INSTALLS} installations while another user exchanges names`,
    async () => {
      const { here, there } = await place();
      await giveAway(await ann(here));
      const before = await stateOf(box, there);
      const task: Swaps = {
        kind: "directory",
        name: `${here}/ann/kat`,
        secret: `${there}/roots`,
      };
      await using _attacker = await startProgram("swap_names.ts", {
        task,
        dir: here,
      });
      for (let round = 1; round <= INSTALLS; round += 1) {
        const into = round % 2 === 0 ? "" : "/below";
        await install([`--data-dir=${there}/ann/kat${into}`]);
        strictEqual(await stateOf(box, there), before, `in round ${round}`);
      }
      await reset();
    },
  );

  await t.step(
    "what it makes is the service's alone, what leads there is root's, and both are taken again",
    async () => {
      const { there } = await place();
      for (let round = 1; round <= 2; round += 1) {
        const { code, stderr } = await install([
          `--data-dir=${there}/roots/new/data`,
        ]);
        strictEqual(code, 0, stderr);
        strictEqual(
          await machine.read(
            ...["stat", "--format=%U:%G %a", `${there}/roots`],
            ...[`${there}/roots/new`, `${there}/roots/new/data`],
          ),
          "root:root 755\nroot:root 755\nkat:kat 700",
        );
      }
      await reset();
    },
  );

  await t.step(
    "a directory of root's, as of a new disk, is taken once it is handed over as the refusal says",
    async () => {
      const { here, there } = await place();
      await Deno.mkdir(`${here}/roots/lost+found`);
      const refused = await install([`--data-dir=${there}/roots`]);
      const [, hint = ""] = /: (chown .*)$/m.exec(refused.stderr) ?? [];
      strictEqual(hint, `chown -R kat: "${there}/roots"`, refused.stderr);
      await machine.read("sh", "-c", hint);

      const { code, stderr } = await install([`--data-dir=${there}/roots`]);

      strictEqual(code, 0, stderr);
      await reset();
    },
  );

  await t.step("no program is looked up on the caller's PATH", async () => {
    await Deno.mkdir(`${disk}/evil`);
    const names = [
      ...["systemctl", "id", "useradd", "systemd-sysusers", "groupadd"],
      ...["getent", "ps", "sh", "env", "chown", "mkdir"],
    ];
    for (const name of names) {
      await Deno.writeTextFile(
        `${disk}/evil/${name}`,
        `#!/bin/sh\necho ${name} >>${BOX}/evil-ran\nPATH=/usr/sbin:/usr/bin exec ${name} "$@"\n`,
      );
      await Deno.chmod(`${disk}/evil/${name}`, 0o755);
    }
    // So that a user has to be made.
    await machine.run("userdel", "kat");
    await install([], { path: `${BOX}/evil:` });
    const dry = await install(["--dry-run"], { path: `${BOX}/evil:` });
    await machine.run(
      ...["env", `PATH=${BOX}/evil:/usr/sbin:/usr/bin:/sbin:/bin`],
      ...[`${BOX}/kat-agent`, "systemd", "uninstall"],
    );
    await reset();

    const ran = await Deno.readTextFile(`${disk}/evil-ran`).catch(() => "");
    strictEqual([...new Set(ran.split("\n"))].join(" ").trim(), "");
    ok(dry.code === 0, dry.stderr);
  });
});
