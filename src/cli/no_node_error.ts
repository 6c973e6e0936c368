/**
 * Why a command finds no node in a data directory, and where one is: it
 * vanished, it is the service's, or it is another user's.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import { readOwnText } from "../base/files/read_own.ts";
import type { Context } from "./command.ts";
import { SERVICE_STATE, stateDir } from "./flag_values.ts";
import { UNIT_PATH } from "./systemd_unit.ts";

/** Where a command looked. */
export interface NoNodeOptions extends Pick<Context, "env"> {
  /** The data directory. */
  readonly dataDir: string;
  /** This user. */
  readonly uid: number | null;
  /** The unit of the service. @default {where it is installed} */
  readonly unitPath?: string | undefined;
}

/** The error for a data directory without a node. */
export async function noNodeError(options: NoNodeOptions): Promise<KatError> {
  const { dataDir, uid } = options;
  const { findVanished } = await import("../agent/identity/refuse_vanished.ts");
  for (const place of new Set([registerOf(options), SERVICE_STATE])) {
    const vanished = await findVanished({ stateDir: place, dataDir });
    if (vanished !== undefined) return vanished;
  }
  const service = await serviceDataDir(options.unitPath);
  if (service === undefined || service === dataDir) {
    return new KatError(`Cannot find a node in "${dataDir}"`, {
      hint:
        "Give its directory with --data-dir, or a cluster with --endpoints; make a node with kat-agent init",
    });
  }
  return new KatError(
    `Cannot find a node in "${dataDir}": the node of this machine's service is in "${service}"`,
    { hint: `${sudo(uid)} --data-dir ${JSON.stringify(service)}` },
  );
}

/** The error for a data directory that this user may not read; any other stays as it is. */
export async function explainDenied(
  error: unknown,
  { dataDir, uid, unitPath }: NoNodeOptions,
): Promise<unknown> {
  const isDenied = error instanceof KatError &&
    error.cause instanceof Deno.errors.PermissionDenied;
  if (!isDenied || uid === 0) return error;
  const whose = await serviceDataDir(unitPath) === dataDir
    ? "the service's user"
    : "another user";
  return new KatError(
    `Cannot look into "${dataDir}": only ${whose} and root may`,
    {
      cause: error,
      hint: `${sudo(uid)} --data-dir ${JSON.stringify(dataDir)}`,
    },
  );
}

function sudo(uid: number | null): string {
  return uid === 0 ? "Give" : "Use sudo, with";
}

function registerOf({ env }: Pick<Context, "env">): string | undefined {
  return stateDir(undefined, { env });
}

/** The data directory of the machine's service; `undefined` if none is installed, or its unit does not say. */
async function serviceDataDir(
  unitPath = UNIT_PATH,
): Promise<string | undefined> {
  const text = await readOwnText(unitPath).catch(() => undefined);
  const [, quoted, plain] = /^\s*--data-dir (?:"((?:[^"\\]|\\.)*)"|(\S+))/m
    .exec(text ?? "") ?? [];
  // As the unit escapes it.
  return (quoted ?? plain)?.replaceAll(/\\(["\\])/g, "$1")
    .replaceAll("%%", "%").replaceAll("$$", "$");
}
