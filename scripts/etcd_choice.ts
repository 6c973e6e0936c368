/**
 * What was got before for contributors and CI, and whether it is still there.
 *
 * @module
 */

import { join } from "node:path";
import { PINNED_ETCD_VERSION } from "../src/config/pinned_etcd.ts";

/** The ways to get an etcd, in the order in which they are tried. */
export const SOURCES = ["release", "go", "distribution"] as const;
/** One of {@linkcode SOURCES}. */
export type EtcdSource = typeof SOURCES[number];

/** What `bin` leads to, kept in a file beside it. */
export interface EtcdChoice {
  /** What was asked for: a way, or `any`. */
  readonly wanted: EtcdSource | "any";
  /** The version that was pinned then. */
  readonly pinned: string;
  /** Where `bin` leads. */
  readonly directory: string;
  /** The programs there, with their lengths in bytes. */
  readonly sizes: Readonly<Record<string, number>>;
  /** For people: which etcd it is, and how it was got. */
  readonly what: string;
}

/** The name of the file that holds a {@linkcode EtcdChoice}. */
export const CHOICE_FILE = "bin.json";

/** Returns what was got before if it is still right, looking at lengths only. */
export async function readChoice(
  store: string,
  wanted: EtcdSource | "any",
): Promise<EtcdChoice | undefined> {
  try {
    const got: EtcdChoice = JSON.parse(
      await Deno.readTextFile(join(store, CHOICE_FILE)),
    );
    if (got.wanted !== wanted || got.pinned !== PINNED_ETCD_VERSION) {
      return undefined;
    }
    if (await Deno.readLink(join(store, "bin")) !== got.directory) {
      return undefined;
    }
    for (const [name, size] of Object.entries(got.sizes)) {
      const found = await Deno.stat(join(store, "bin", name));
      if (found.size !== size || ((found.mode ?? 0) & 0o100) === 0) {
        return undefined;
      }
    }
    return got;
  } catch {
    return undefined;
  }
}

/** Says whether `KAT_DEV_ETCD` may hold this text, `any` standing for nothing. */
export function isWanted(text: string): text is EtcdSource | "any" {
  return text === "any" || SOURCES.some((way) => way === text);
}
