/**
 * What `etcdctl watch` tells of every change, as ground truth.
 *
 * @module
 */

import { startEtcdctl } from "../machine/etcdctl.ts";
import type { Truth } from "./history.ts";
import { valueText } from "./history_file.ts";
import { monotonicNs } from "./monotonic_clock.ts";

/** One event as etcdctl prints it; bytes are base64. */
export interface PrintedEvent {
  /** Missing for a put. */
  readonly type?: number | string;
  /** What changed. */
  readonly kv: {
    readonly key: string;
    readonly value?: string;
    readonly create_revision?: number;
    readonly mod_revision: number;
  };
  /** What it was before. */
  readonly prev_kv?: { readonly value?: string };
}

/** Starts an `etcdctl` that prints every change from a revision on, in JSON lines. */
export function watchAll(
  endpoint: string,
  fromRevision: number,
): Deno.ChildProcess {
  const flags = ["--prefix", "--prev-kv", `--rev=${fromRevision}`];
  return startEtcdctl(endpoint, "watch", "", ...flags, "--write-out=json");
}

/** The record of an event that the member `member` told, as of now. */
export async function toTruth(
  { type, kv, prev_kv }: PrintedEvent,
  member: string,
): Promise<Truth> {
  const isDelete = type === 1 || type === "DELETE";
  return {
    type: "truth",
    member,
    at_ns: monotonicNs(),
    event: isDelete ? "delete" : "put",
    key: new TextDecoder().decode(Uint8Array.fromBase64(kv.key)),
    value: isDelete ? null : await decoded(kv),
    mod_revision: kv.mod_revision,
    create_revision: isDelete ? 0 : kv.create_revision ?? 0,
    prev_value: prev_kv ? await decoded(prev_kv) : null,
  };
}

function decoded({ value = "" }: { readonly value?: string }): Promise<string> {
  return valueText(Uint8Array.fromBase64(value));
}
