/**
 * A machine with systemd, laid out for attacks on `kat-agent systemd install`.
 *
 * @module
 */

import {
  bootSystemd,
  type SystemdMachine,
} from "../../machine/systemd_machine.ts";
import type { CommandResult } from "../../machine/command_output.ts";
import { tempDir } from "../../machine/temp_dir.ts";
import { writeClusterFile } from "../../machine/cluster_file.ts";

/** What the machine's disk is called in it. */
export const BOX = "/opt/box";
/** The unit that is installed. */
export const UNIT = "/etc/systemd/system/kat-agent.service";

/** From source, unless `KAT_TEST_AGENT` names a kat-agent in one file. */
const FROM_SOURCE = `#!/bin/sh
export DENO_DIR=/opt/deno_dir
exec /opt/deno run --quiet --cached-only --no-prompt --config=/opt/repository/deno.json -P=agent /opt/repository/main.ts "$@"
`;

/**
 * What the service runs instead of an agent: writes down its arguments, and
 * whether it may write to the directories that it was given.
 */
const RECORDER = `#!/bin/sh
printf '%s\\0' "$@" >${BOX}/out/args
while [ $# -gt 0 ]; do
  case $1 in --data-dir | --cache-dir)
    { echo here >"$2/recorded"; } 2>>${BOX}/out/errors || echo "$1 $2" >>${BOX}/out/failed ;;
    --config) cat "$2" >/dev/null || echo "$1 $2" >>${BOX}/out/failed ;;
  esac
  shift
done
`;

/** Options of {@linkcode InstallMachine.install}. */
export interface InstallOptions {
  /** What stands in front of the usual PATH. */
  readonly path?: string;
  /** `spec.backupPath`. */
  readonly backups?: string;
  /** The directory of cluster.kat and the program, for copies of them. */
  readonly reads?: string;
}

/** A machine, and its disk as this side sees it. */
export interface InstallMachine extends AsyncDisposable {
  /** The machine. */
  readonly machine: SystemdMachine;
  /** {@linkcode BOX}, seen from here. */
  readonly disk: string;
  /** Runs `systemd install`. */
  readonly install: (
    args: readonly string[],
    options?: InstallOptions,
  ) => Promise<CommandResult>;
  /** Installs nothing any more, so that the next row begins anew. */
  readonly reset: () => Promise<void>;
}

/** Boots it. */
export async function bootForInstall(): Promise<InstallMachine> {
  await using stack = new AsyncDisposableStack();
  const { path: disk } = stack.use(await tempDir());
  await Deno.chmod(disk, 0o755);
  const built = Deno.env.get("KAT_TEST_AGENT");
  if (built) await Deno.copyFile(built, `${disk}/kat-agent`);
  else await Deno.writeTextFile(`${disk}/kat-agent`, FROM_SOURCE);
  await Deno.writeTextFile(`${disk}/recorder`, RECORDER);
  for (const name of ["kat-agent", "recorder"]) {
    await Deno.chmod(`${disk}/${name}`, 0o755);
  }
  const machine = stack.use(await bootSystemd(disk));
  // Homes are this machine's and closed to writing otherwise.
  await machine.read(
    "mount",
    "-t",
    "tmpfs",
    "-o",
    "mode=755",
    "tmpfs",
    "/home",
  );
  const kept = stack.move();

  async function install(
    args: readonly string[],
    { path = "", backups = "/var/lib/kat/backups", reads = BOX }:
      InstallOptions = {},
  ): Promise<CommandResult> {
    await writeClusterFile(disk, {
      spec: { backupPath: JSON.stringify(backups) },
    });
    await Deno.chmod(`${disk}/cluster.kat`, 0o644);
    if (reads !== BOX) {
      await machine.read("mkdir", "-p", reads);
      await machine.read("cp", `${BOX}/cluster.kat`, `${BOX}/recorder`, reads);
    }
    return await machine.run(
      "env",
      `PATH=${path}/usr/sbin:/usr/bin:/sbin:/bin`,
      ...[`${BOX}/kat-agent`, "systemd", "install", "--node-name=n1"],
      ...[`--config=${reads}/cluster.kat`, `--exec=${reads}/recorder`],
      ...args,
    );
  }

  async function reset(): Promise<void> {
    await machine.run("rm", "-rf", UNIT, `${UNIT}.d`);
    await machine.run("systemctl", "daemon-reload");
    await machine.run("systemctl", "reset-failed");
  }

  return {
    machine,
    disk,
    install,
    reset,
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  };
}
