/**
 * Whose data a node's etcd holds, and how far it had got: `identity.json` in
 * the data directory, so that other data in its place is noticed.
 *
 * It is a file of its own beside `node.json`, for it changes as the store
 * grows, and what is rarely written is rarely lost.
 *
 * @module
 */

import { dirname } from "node:path";
import * as v from "valibot";
import { KatError, messageOf } from "../../base/errors.ts";
import { fileTrouble } from "../../base/files/file_trouble.ts";
import { writeOwn } from "../../base/files/write_own.ts";
import { parseJson } from "../../base/parse_json.ts";
import { readDataFile } from "../data_directory.ts";

/** What a node knows of its etcd. */
export interface Identity {
  /** etcd's cluster ID, as hexadecimal digits. */
  readonly clusterId: string;
  /** etcd's member ID, as hexadecimal digits. */
  readonly memberId: string;
  /** The cluster's UUID. */
  readonly clusterUid: string;
  /** The node's name. */
  readonly nodeName: string;
  /** The etcd that worked on the data last, as `3.6.14`. */
  readonly etcdVersion: string;
  /** The version that all members had agreed on, as `3.6.0`, once they had. */
  readonly clusterVersion?: string | undefined;
  /** A revision that the store has had: it may since have got further. */
  readonly revision: bigint;
  /** The last entry of etcd's log that the member had applied, once it was asked. */
  readonly raftIndex?: bigint | undefined;
}

const FORMAT_VERSION = 1;

const id = v.pipe(v.string(), v.regex(/^[0-9a-f]{1,16}$/));
const version = v.pipe(v.string(), v.regex(/^\d{1,9}\.\d{1,9}\.\d{1,9}$/));

/** A JSON number is exact up to 2⁵³ only. */
const count = v.pipe(
  v.string(),
  v.regex(/^\d{1,19}$/),
  v.transform((text) => BigInt(text)),
);

const TEXTS = {
  clusterId: id,
  memberId: id,
  clusterUid: v.string(),
  nodeName: v.string(),
  etcdVersion: version,
  clusterVersion: v.optional(version),
};

const IdentitySchema = v.object({
  formatVersion: v.number(),
  ...TEXTS,
  revision: count,
  raftIndex: v.optional(count),
});

const number63 = v.pipe(v.bigint(), v.minValue(0n), v.maxValue(2n ** 63n - 1n));

/** An identity on its way between two threads. */
export const PlainIdentitySchema: v.GenericSchema<unknown, Identity> = v.object(
  { ...TEXTS, revision: number63, raftIndex: v.optional(number63) },
);

/** The text of `identity.json`. */
export function encodeIdentity(identity: Identity): string {
  const whole = {
    formatVersion: FORMAT_VERSION,
    ...identity,
    revision: identity.revision.toString(),
    raftIndex: identity.raftIndex?.toString(),
  };
  return JSON.stringify(whole, undefined, 2) + "\n";
}

/** Replaces the file at `path`, whole or not at all. */
export async function writeIdentity(
  path: string,
  identity: Identity,
): Promise<void> {
  await writeOwn(path, encodeIdentity(identity), { within: dirname(path) })
    .catch((cause) => {
      if (cause instanceof KatError) throw cause;
      const { reason, hint } = fileTrouble(cause);
      throw new KatError(`Cannot write "${path}": ${reason}`, { cause, hint });
    });
}

/**
 * Reads the text of `identity.json`; `path` is for the message.
 *
 * @throws {KatError} if it is damaged, or was written by a newer kat-agent.
 */
export function decodeIdentity(text: string, path: string): Identity {
  let raw: unknown;
  try {
    raw = parseJson(text);
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
  const format = v.safeParse(v.object({ formatVersion: v.number() }), raw);
  if (format.success && format.output.formatVersion > FORMAT_VERSION) {
    throw new KatError(
      `Cannot read ${path}: it has format ${format.output.formatVersion}, and this kat-agent knows ${FORMAT_VERSION}`,
      { hint: "Use the kat-agent that wrote it, or a newer one" },
    );
  }
  const parsed = v.safeParse(IdentitySchema, raw);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    const where = v.getDotPath(issue);
    throw damaged(path, where === null ? issue.message : `"${where}" is wrong`);
  }
  const { formatVersion: _, ...identity } = parsed.output;
  return identity;
}

/**
 * Reads the identity at `path`; `undefined` if none was written yet, as by a
 * kat-agent that did not know of it.
 *
 * @throws {KatError} if it is damaged, or not to be read.
 */
export async function readIdentity(
  path: string,
): Promise<Identity | undefined> {
  const text = await readDataFile(path);
  return text === undefined ? undefined : decodeIdentity(text, path);
}

function damaged(path: string, why: string, cause?: unknown): KatError {
  return new KatError(`Cannot read ${path}: ${why}`, {
    cause,
    hint:
      "It was damaged from outside: restore the data directory from a backup; or, if you know that etcd's data is whole and this node's, delete that file",
  });
}
