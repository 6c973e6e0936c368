/**
 * Installs and removes the systemd unit: what `kat-agent systemd` changes on the machine.
 *
 * @module
 */

import { dirname } from "node:path";
import { KatError, messageOf } from "../base/errors.ts";
import { lookAtPath } from "../base/files/checked_path.ts";
import { makeOwnDir, type Owner } from "../base/files/own_dir.ts";
import { namesInOwn, readOwnText } from "../base/files/read_own.ts";
import { PathError } from "../base/files/untrusted_path.ts";
import { removeOwn, writeOwn } from "../base/files/write_own.ts";
import { SYSTEM_PATH } from "../base/run_script.ts";
import { SYSTEM_CACHE } from "./flag_values.ts";
import {
  installed,
  made,
  SERVICE_USER,
  UNIT_MARKER,
  UNIT_NAME,
  UNIT_PATH,
  type UnitOptions,
} from "./systemd_unit.ts";

/** Options of {@linkcode uninstallUnit}. */
export interface UninstallOptions {
  /** Whether only to say what would be done. */
  readonly dryRun: boolean;
}

/** The version of the machine's systemd, as 252; `undefined` if there is none. */
export async function systemdVersion(): Promise<number | undefined> {
  try {
    const text = await run("systemctl", ["--version"]);
    return Number(/^systemd (\d+)/.exec(text)?.[1]) || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Writes and enables the unit, with the user and the directories that it
 * needs. Returns what to tell the user.
 *
 * @throws {KatError} if the machine does not allow it, or the service could
 * not work; nothing is changed if that is seen before.
 */
export async function installUnit(
  text: string,
  { program, reads, writes }: UnitOptions,
): Promise<string> {
  await assertManageable();
  await assertOurs();
  const wasThere = await readUnit() !== undefined;
  const user = await ensureUser();
  await assertAccess(program, { user, bits: 0o5 });
  for (const path of reads) await assertAccess(path, { user, bits: 0o4 });
  for (const path of made(writes)) await assertOurDirectory(path, user);
  for (const path of installed(writes)) await ensureDirectory(path, user);
  await writeOwn(UNIT_PATH, text, { mode: 0o644 });
  await run("systemctl", ["daemon-reload"]);
  await run("systemctl", ["enable", UNIT_NAME]);
  const next = wasThere
    ? `Replaced ${UNIT_PATH}\nUse it now: systemctl restart kat-agent\n`
    : `Installed ${UNIT_PATH}\nStart it now: systemctl start kat-agent\n`;
  return next + await formerCache(writes, user);
}

/** Says what to do about the cache that version 0.1.0 shared with root: root takes nothing from it. */
async function formerCache(
  writes: readonly string[],
  { uid }: Owner,
): Promise<string> {
  const found = await Deno.lstat(SYSTEM_CACHE).catch(() => undefined);
  if (found?.uid !== uid || writes.includes(SYSTEM_CACHE)) return "";
  return `Then remove the cache that the service had before: rm -rf ${SYSTEM_CACHE}\n`;
}

/**
 * Stops, disables and removes the unit. Returns what to tell the user.
 *
 * @throws {KatError} if it is not one that was installed by this program.
 */
export async function uninstallUnit(
  { dryRun }: UninstallOptions,
): Promise<string> {
  await assertOurs();
  if (await readUnit() === undefined) return `${UNIT_NAME} is not installed\n`;
  if (dryRun) {
    return `Would stop and disable ${UNIT_NAME} and remove ${UNIT_PATH}\n`;
  }
  await assertManageable();
  await run("systemctl", ["disable", "--now", UNIT_NAME]);
  await removeOwn(UNIT_PATH);
  await run("systemctl", ["daemon-reload"]);
  return `Removed ${UNIT_PATH}; data, cache and the user ${SERVICE_USER} stay\n`;
}

async function assertManageable(): Promise<void> {
  try {
    await Deno.stat("/run/systemd/system");
  } catch (cause) {
    throw new KatError("Cannot manage a service: systemd does not run here", {
      cause,
      hint: "Add --dry-run to see the unit",
    });
  }
  if (Deno.uid() === 0) return;
  throw new KatError("Cannot manage a service: this needs root", {
    hint: "Use sudo, or add --dry-run",
  });
}

async function readUnit(): Promise<string | undefined> {
  try {
    return await readOwnText(UNIT_PATH);
  } catch (error) {
    if (error instanceof KatError) throw error;
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new KatError(`Cannot read ${UNIT_PATH}: ${messageOf(error)}`);
  }
}

async function assertOurs(): Promise<void> {
  const text = await readUnit();
  if (text === undefined || text.startsWith(UNIT_MARKER)) return;
  throw new KatError(
    `Cannot replace or remove ${UNIT_PATH}: kat-agent did not make it, or its first line was changed`,
    {
      hint:
        "Move that file away; make changes of your own with: systemctl edit kat-agent",
    },
  );
}

/** The service's user, made if need be, by whichever way the system has. */
async function ensureUser(): Promise<Owner> {
  const found = await findUser();
  if (found) return found;
  const home = "/var/lib/kat";
  try {
    await run("systemd-sysusers", [
      "--inline",
      `u ${SERVICE_USER} - "KAT agent" ${home}`,
    ]);
  } catch {
    await run("useradd", [
      "--system",
      "--user-group",
      `--home-dir=${home}`,
      "--shell=/usr/sbin/nologin",
      SERVICE_USER,
    ]);
  }
  const made = await findUser();
  if (made) return made;
  throw new KatError(`Cannot make the user ${SERVICE_USER}`, {
    hint: "Make a system user and a group of that name",
  });
}

async function findUser(): Promise<Owner | undefined> {
  try {
    const uid = Number(await run("id", ["-u", SERVICE_USER]));
    return { uid, gid: Number(await run("id", ["-g", SERVICE_USER])) };
  } catch {
    return undefined;
  }
}

/**
 * Makes a directory of the user's. One that is there must be the user's
 * already: root gives away only what it makes here.
 */
async function ensureDirectory(path: string, owner: Owner): Promise<void> {
  await explained(path, {
    owner,
    what: () => makeOwnDir(path, { owner, parentMode: 0o755 }),
  });
}

/** What a node, a cache or a new disk has in a directory. */
const OUR_NAMES: ReadonlySet<string> = new Set(["etcd", "lost+found"]);

/**
 * Refuses a directory that systemd would hand over, at each start and with all
 * that is in it, although it is another's or holds what is not kat-agent's. One
 * of root's may be there: empty, or of a node that root ran.
 */
async function assertOurDirectory(path: string, owner: Owner): Promise<void> {
  await explained(path, {
    owner,
    async what() {
      await lookAtParent(dirname(path), owner);
      const entry = await Deno.lstat(path).catch(() => undefined);
      if (entry === undefined) return;
      if (!entry.isDirectory) {
        throw new PathError(path, {
          at: path,
          reason: entry.isSymlink
            ? "it is a symbolic link, and systemd follows none there"
            : "it is not a directory",
          hint: entry.isSymlink
            ? "Give the path that it leads to, or mount that one here"
            : "Choose another path",
        });
      }
      if (entry.uid === owner.uid) return;
      await lookAtPath(path);
      const names = await namesInOwn(path);
      const strange = names.find((name) => !OUR_NAMES.has(name));
      if (strange === undefined || names.includes("node.json")) return;
      throw new PathError(path, {
        at: path,
        reason: `it is root's, and holds ${JSON.stringify(strange)}`,
        hint: "Choose another path",
      });
    },
  });
}

/** It must be root's alone, or the service's itself: systemd follows no link in the last place. */
async function lookAtParent(path: string, { uid }: Owner): Promise<void> {
  const entry = await Deno.lstat(path).catch(() => undefined);
  const isServices = entry?.isDirectory && entry.uid === uid;
  await lookAtPath(path, isServices ? { owner: uid } : {});
}

/** Says of a directory why it cannot be the service's, and what to do. */
async function explained(
  path: string,
  { owner, what }: {
    readonly owner: Owner;
    readonly what: () => Promise<unknown>;
  },
): Promise<void> {
  try {
    await what();
  } catch (error) {
    if (error instanceof PathError) {
      const where = error.at === path ? "" : `${JSON.stringify(error.at)}: `;
      throw new KatError(
        `Cannot install: ${
          JSON.stringify(path)
        } cannot be the service's: ${where}${error.reason}`,
        { hint: await hintFor(path, { error, owner }) },
      );
    }
    throw new KatError(`Cannot install: ${messageOf(error)}`, {
      cause: error,
      hint: error instanceof KatError ? error.hint : undefined,
    });
  }
}

async function hintFor(
  path: string,
  { error, owner }: { readonly error: PathError; readonly owner: Owner },
): Promise<string | undefined> {
  if (error.at !== path) {
    return "Choose a directory below root's own, such as /srv/kat";
  }
  const entry = await Deno.lstat(path).catch(() => undefined);
  if (!entry?.isDirectory || entry.uid === owner.uid) return error.hint;
  return `If nothing else uses it, hand it over: chown -R ${SERVICE_USER}: ${
    JSON.stringify(path)
  }`;
}

/** Refuses a file that the service's user cannot reach; homes are shown to it by systemd. */
async function assertAccess(
  path: string,
  { user, bits }: { readonly user: Owner; readonly bits: number },
): Promise<void> {
  if (!await isAllowed(path, { user, bits })) {
    throw new KatError(
      `Cannot install: the user ${SERVICE_USER} may not read "${path}"`,
      { hint: `Allow it: chmod a+${bits === 0o5 ? "rx" : "r"} "${path}"` },
    );
  }
  if (/^\/(home|root)\//.test(path)) return;
  for (let above = dirname(path); above !== "/"; above = dirname(above)) {
    if (await isAllowed(above, { user, bits: 0o1 })) continue;
    throw new KatError(
      `Cannot install: the user ${SERVICE_USER} may not enter "${above}"`,
      { hint: `Allow it: chmod a+x "${above}"` },
    );
  }
}

async function isAllowed(
  path: string,
  { user, bits }: { readonly user: Owner; readonly bits: number },
): Promise<boolean> {
  let info;
  try {
    info = await Deno.stat(path);
  } catch (cause) {
    throw new KatError(`Cannot install: "${path}" cannot be read`, {
      cause,
      hint: messageOf(cause),
    });
  }
  const shift = info.uid === user.uid ? 6 : info.gid === user.gid ? 3 : 0;
  return ((info.mode ?? 0) >> shift & bits) === bits;
}

/** Runs a program of the system and returns what it printed. */
async function run(name: string, args: readonly string[]): Promise<string> {
  let output;
  try {
    output = await new Deno.Command(name, {
      args: [...args],
      clearEnv: true,
      env: { PATH: SYSTEM_PATH, LC_ALL: "C", SYSTEMD_COLORS: "0" },
      stdin: "null",
    }).output();
  } catch (cause) {
    throw new KatError(`Cannot run ${name}: ${messageOf(cause)}`, { cause });
  }
  const decoder = new TextDecoder();
  if (output.success) return decoder.decode(output.stdout).trim();
  throw new KatError(`Cannot run ${name} ${args.join(" ")}: it failed`, {
    details: decoder.decode(output.stderr).trim().split("\n"),
  });
}
