/**
 * Which etcd contributors and CI have in the cache, and whether it is complete.
 *
 * @module
 */

import { join } from "node:path";
import { PINNED_ETCD_VERSION } from "../src/config/pinned_etcd.ts";

/** Where an etcd can come from, in the order in which they are tried. */
export const SOURCES = ["release", "go", "distribution"] as const;
/** One of {@linkcode SOURCES}. */
export type EtcdSource = typeof SOURCES[number];

/** What the link `bin` points to, kept in a file beside it. */
export interface EtcdChoice {
  /** The source that was asked for. */
  readonly wanted: EtcdSource | "any";
  /** The version that was pinned then. */
  readonly pinned: string;
  /** Where `bin` points to. */
  readonly directory: string;
  /** The programs there, with their lengths in bytes. */
  readonly sizes: Readonly<Record<string, number>>;
  /** For people: which etcd it is, and its source. */
  readonly what: string;
}

/** The name of the file that holds a {@linkcode EtcdChoice}. */
export const CHOICE_FILE = "bin.json";

/** Returns the choice made before if its programs are still there, by their lengths. */
export async function readChoice(
  store: string,
  wanted: EtcdSource | "any",
): Promise<EtcdChoice | undefined> {
  try {
    const choice: EtcdChoice = JSON.parse(
      await Deno.readTextFile(join(store, CHOICE_FILE)),
    );
    if (choice.wanted !== wanted || choice.pinned !== PINNED_ETCD_VERSION) {
      return undefined;
    }
    if (await Deno.readLink(join(store, "bin")) !== choice.directory) {
      return undefined;
    }
    for (const [name, size] of Object.entries(choice.sizes)) {
      const found = await Deno.stat(join(store, "bin", name));
      if (found.size !== size || ((found.mode ?? 0) & 0o100) === 0) {
        return undefined;
      }
    }
    return choice;
  } catch {
    return undefined;
  }
}

/** Whether a text names a source, or `any` of them. */
export function isEtcdSource(text: string): text is EtcdSource | "any" {
  return text === "any" || SOURCES.some((source) => source === text);
}
