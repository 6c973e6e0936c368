/**
 * Bugs that the checkers must find, planted into a copy of the source. The
 * program itself knows nothing of them and has no switch.
 *
 * Each is an exact replacement in one file. If its text is not there exactly
 * once any more, planting fails: then the code has changed, and the bug has to
 * be thought of anew.
 *
 * @module
 */

import { tempDir } from "../machine/temp_dir.ts";

/** A replacement that makes the source wrong. */
export interface PlantedBug {
  /** What goes wrong. */
  readonly what: string;
  /** The file, from `src/`. */
  readonly file: string;
  /** Text that stands in it exactly once. */
  readonly find: string;
  /** What stands there instead. */
  readonly replace: string;
}

/** The bugs by name. The tenth is one of etcd's, and needs no change of ours. */
export const PLANTED_BUGS = {
  m1: {
    what: "a leader's transaction goes without its guard",
    file: "store/leadership/term.ts",
    find: "[this.guard, ...checks]",
    replace: "[...checks]",
  },
  m2: {
    what: "a get is served by any member from what it has",
    file: "store/batching/shared_request.ts",
    find: '{ method: "range", message: one.request_range }',
    replace:
      '{ method: "range", message: { ...one.request_range, serializable: true } }',
  },
  m3: {
    what: "a transaction without an answer is sent again",
    file: "store/etcd/etcd_store.ts",
    find: `this.#client.once<ITxnResponse>("KV", "txn"`,
    replace: `this.#client.repeatable<ITxnResponse>("KV", "txn"`,
  },
  m4: {
    what: "a lease is counted from when its renewal was answered",
    file: "store/leadership/lease.ts",
    find: "this.#validity = validFrom(sent, Math.min(ttlMs, this.ttlMs));",
    replace: "this.#validity = validFrom(readClocks(this.#clock), ttlMs);",
  },
  m5: {
    what: "a watch that is opened again starts from now",
    file: "store/etcd/etcd_watch.ts",
    find:
      "return this.#next > 1n && !this.#atEdge ? this.#next - 1n : this.#next;",
    replace: "return this.#next > this.#init.startRevision ? 0n : this.#next;",
  },
  m6: {
    what: "a watch does not notice that the member cancelled it",
    file: "store/etcd/etcd_watch.ts",
    find: `if (response.canceled) throw this.#cancellation(response);
    const { events`,
    replace: "const { events",
  },
  m7: {
    what: "a renewal that grants nothing is taken for a renewal",
    file: "store/leadership/lease.ts",
    find: "const ttlMs = await abortable(stream.next(), deadline.signal);",
    replace:
      "const ttlMs = await abortable(stream.next(), deadline.signal) || this.ttlMs;",
  },
  m8: {
    what: "a term is given back before the leader's work has ended",
    file: "election/election.ts",
    find: `await duties(leadership, over);
    await aborted(over);`,
    replace: "await Promise.race([duties(leadership, over), aborted(over)]);",
  },
  m11: {
    what: "a shared request of writes without an answer is sent again",
    file: "store/etcd/etcd_writes.ts",
    find: "await this.client.once<",
    replace: "await this.client.repeatable<",
  },
  m12: {
    what: "two callers of a shared request get each other's answers",
    file: "store/batching/batch_sender.ts",
    find: "waiter.resolve(results[index] as Result);",
    replace: "waiter.resolve(results.at(-1 - index) as Result);",
  },
  m13: {
    what: "a shared request of gets is served by any member from what it has",
    file: "store/batching/shared_request.ts",
    find: "const success = this.sent.map(({ op }) => op.request);",
    replace:
      `const success = this.sent.map(({ op: { request: { request_range, ...rest } } }) =>
        this.sent.length > 1 && request_range
          ? { request_range: { ...request_range, serializable: true } }
          : { ...rest, ...(request_range ? { request_range } : {}) });`,
  },
  m14: {
    what: "writes of a shared request without an answer are sent again",
    file: "store/etcd/etcd_writes.ts",
    find: 'error.outcome === "not-done"',
    replace: "true",
  },
  // Frames are gRPC's business; ours are the places where one message follows
  // another, and one page of a list the other.
  m9: {
    what: "a message is lost that comes while another waits to be read",
    file: "etcd/client/message_stream.ts",
    find: "this.#waiting.push(response);",
    replace: "this.#waiting[0] = response;",
  },
  m9_pages: {
    what: "a list leaves out keys where one page follows the other",
    file: "store/etcd/etcd_list.ts",
    find: "key = Buffer.concat([last.key, Buffer.from([0])]);",
    replace: "key = Buffer.concat([last.key, Buffer.from([0xff])]);",
  },
} as const satisfies Record<string, PlantedBug>;

/** A source tree; disposing removes a copy. */
export interface SourceTree extends AsyncDisposable {
  /** Loads a module of it, by its path from `src/`. */
  readonly load: <Module>(path: string) => Promise<Module>;
}

/** The source as it is. */
export function realSource(): SourceTree {
  return treeAt(new URL("../../src/", import.meta.url));
}

/**
 * Copies the source with a bug in it.
 *
 * @throws {Error} if the text to replace is not there exactly once.
 */
export async function plantBug(bug: PlantedBug): Promise<SourceTree> {
  const dir = await tempDir();
  try {
    const root = new URL("../../src/", import.meta.url);
    await copy(root, `${dir.path}/src`);
    const path = `${dir.path}/src/${bug.file}`;
    const text = await Deno.readTextFile(path);
    const places = text.split(bug.find).length - 1;
    if (places !== 1) {
      throw new Error(
        `Cannot plant "${bug.what}": its text is ${places} times in src/${bug.file}`,
      );
    }
    await Deno.writeTextFile(path, text.replace(bug.find, () => bug.replace));
    return treeAt(new URL(`file://${dir.path}/src/`), dir);
  } catch (error) {
    await dir[Symbol.asyncDispose]();
    throw error;
  }
}

function treeAt(root: URL, dir?: AsyncDisposable): SourceTree {
  return {
    load: (path) => import(new URL(path, root).href),
    async [Symbol.asyncDispose]() {
      await dir?.[Symbol.asyncDispose]();
    },
  };
}

async function copy(from: URL, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copy(new URL(`${name}/`, from), `${to}/${name}`);
    else if (!name.endsWith("_test.ts")) {
      await Deno.copyFile(new URL(name, from), `${to}/${name}`);
    }
  }
}
