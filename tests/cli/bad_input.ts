/**
 * Wrong input as a table: what each row must end with, and what it may not
 * touch or leave behind.
 *
 * @module
 */

import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual,
} from "node:assert/strict";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import {
  type ClusterFile,
  initArgs,
  writeClusterFile,
} from "../machine/cluster_file.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { processesNaming } from "../machine/processes.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { treeHash } from "../machine/tree_hash.ts";

/** What each row can use. */
export interface Place {
  /** A directory of its own. */
  readonly dir: string;
  /** The data directory that the row is about. */
  readonly data: string;
  /** A valid cluster.kat. */
  readonly file: ClusterFile;
}

/** One wrong input. */
export interface BadInput {
  /** What is wrong: the end of the test's name. */
  readonly name: string;
  /** Makes what the row needs. */
  readonly given?: (place: Place) => Promise<AsyncDisposable | void>;
  /** The command line. */
  readonly args: (place: Place) => readonly string[];
  /** The environment besides KAT_ETCD_BINARY. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command that becomes the agent, as `sh -c`. */
  readonly prefix?: (place: Place) => readonly string[];
  /** The documented exit code. */
  readonly code: number;
  /** What the message says. */
  readonly says: RegExp;
  /** What must stay as it was. @default {the row's own directory} */
  readonly untouched?: (place: Place) => string;
  /** Why it cannot be tried here; the test then counts as skipped. */
  readonly ignore?: boolean;
}

/**
 * One second is promised. Starting from source takes about a fifth of it, and
 * a busy machine several times more.
 */
const WITHIN_MS = 10_000;
/** A message that is longer is not read; cluster.kat may have a hundred errors. */
const LONGEST_LINE = 6_000;

/** The command line that makes a node in the row's data directory. */
export function init({ file, data }: Place, ...more: string[]): string[] {
  return [...initArgs(file, data), ...more];
}

/** Makes a cluster in the row's data directory and stops it. */
export async function makeNode(place: Place): Promise<void> {
  await using agent = startAgent(init(place));
  await agent.logged("Became leader: n1");
  strictEqual((await agent.stop()).code, 0);
}

/** Replaces a part of the row's cluster.kat. */
export async function edit(
  { file }: Place,
  from: string | RegExp,
  to: string,
): Promise<void> {
  const text = await Deno.readTextFile(file.path);
  await Deno.writeTextFile(file.path, text.replace(from, to));
}

/** Makes a test of every row: exit code, one message, nothing touched, nothing left. */
export function testBadInputs(inputs: readonly BadInput[]): void {
  for (const input of inputs) {
    Deno.test(
      `kat-agent refuses ${input.name}`,
      { ignore: input.ignore === true },
      () => tryBadInput(input),
    );
  }
}

async function tryBadInput(input: BadInput): Promise<void> {
  await using dir = await tempDir();
  const place = {
    dir: dir.path,
    data: `${dir.path}/data`,
    file: await writeClusterFile(dir.path),
  };
  await using _held = await input.given?.(place) ?? undefined;
  const untouched = input.untouched?.(place) ?? dir.path;
  const before = await treeHash(untouched);

  const startMs = performance.now();
  const result = await runAgent(input.args(place), {
    env: { KAT_ETCD_BINARY: etcdBinaries.etcd, ...input.env },
    prefix: input.prefix?.(place),
  });
  const tookMs = performance.now() - startMs;

  const said = result.stderr.replace(/^Warning Permissions.*\n/, "");
  match(said, input.says);
  strictEqual(result.code, input.code, said);
  strictEqual(said.match(/^kat-agent: /gm)?.length, 1, said);
  doesNotMatch(said, /^\s+at /m, "a stack trace is no message");
  ok(!said.includes("\x1b"), "nothing may reach the terminal raw");
  const longest = Math.max(...said.split("\n").map((line) => line.length));
  ok(longest < LONGEST_LINE, `a line of ${longest} characters`);
  strictEqual(result.stdout, "");
  strictEqual(await treeHash(untouched), before, "something was touched");
  deepStrictEqual(await processesNaming(dir.path), []);
  ok(tookMs < WITHIN_MS, `it took ${tookMs} ms`);
}
