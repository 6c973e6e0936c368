/**
 * Three sources of an etcd for development: the pinned release, a build of the
 * same version with Go, the distribution's packages.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { PINNED_ETCD_VERSION } from "../src/config/pinned_etcd.ts";
import { KatError } from "../src/base/errors.ts";
import { lockCache } from "../src/etcd/release/cache_lock.ts";
import { askVersion, PROGRAMS } from "../src/etcd/release/etcd_binaries.ts";
import { archiveUrls, etcdRelease } from "../src/etcd/release/etcd_release.ts";
import { supportOf, versionText } from "../src/etcd/etcd_version.ts";
import { installEtcd } from "../src/etcd/release/install_etcd.ts";
import { showProgress } from "../src/etcd/release/show_progress.ts";
import { runProgram } from "./run_program.ts";
import {
  CHOICE_FILE,
  type EtcdChoice,
  type EtcdSource,
  SOURCES,
} from "./etcd_choice.ts";

/** Options of {@linkcode getEtcd}. */
export interface GetEtcdOptions {
  /** The source to use; `any` tries one after the other. */
  readonly wanted: EtcdSource | "any";
  /** Tells people what goes on, a line at a time. */
  readonly say: (text: string) => void;
}

/** Makes a directory with etcd's programs in the store, and returns it. */
type GetPrograms = (store: string) => Promise<string>;

const GETTERS: Readonly<Record<EtcdSource, GetPrograms>> = {
  release: fromRelease,
  go: fromGo,
  distribution: fromDistribution,
};
const DESCRIPTIONS: Readonly<Record<EtcdSource, string>> = {
  release: "the release of its makers",
  go: "built with Go from its modules",
  distribution: "from the distribution's packages",
};

/** Without internet, the next source is tried soon. */
const RELEASE_LIMITS = { answerMs: 10_000, attempts: 1 };
const TEMPORARY_PREFIX = ".getting-";

/**
 * Points `bin` in the store to an etcd; it points to the one before until then.
 * Returns `undefined` if no source worked, having said why.
 */
export async function getEtcd(
  store: string,
  { wanted, say }: GetEtcdOptions,
): Promise<EtcdChoice | undefined> {
  await Deno.mkdir(store, { recursive: true });
  using _lock = await lockCache(join(store, ".getting.lock"));
  await removeLeftovers(store);
  for (const source of wanted === "any" ? SOURCES : [wanted]) {
    try {
      say(`Getting etcd: ${DESCRIPTIONS[source]}`);
      const directory = await GETTERS[source](store);
      const version = await askVersion(join(directory, "etcd"));
      if (supportOf(version) === "unsupported") {
        throw new KatError(`etcd ${versionText(version)} is not supported`);
      }
      const choice = {
        wanted,
        pinned: PINNED_ETCD_VERSION,
        directory: basename(directory),
        sizes: await sizesIn(directory),
        what: `${versionText(version)}, ${DESCRIPTIONS[source]}`,
      };
      await pointTo(choice, store);
      return choice;
    } catch (error) {
      if (!(error instanceof KatError)) throw error;
      say(`Not ${DESCRIPTIONS[source]}: ${error.message}`);
    }
  }
  say("Cannot get an etcd for development from any source: see above");
  return undefined;
}

async function sizesIn(directory: string): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const name of PROGRAMS) {
    try {
      sizes[name] = (await Deno.stat(join(directory, name))).size;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      if (name !== "etcdutl") throw new KatError(`there is no ${name} in it`);
    }
  }
  return sizes;
}

/** Replaces the link `bin` atomically, also where it is a directory. */
async function pointTo(choice: EtcdChoice, store: string): Promise<void> {
  const bin = join(store, "bin");
  const old = await Deno.lstat(bin).catch(() => undefined);
  if (old?.isDirectory) await Deno.remove(bin, { recursive: true });
  const link = join(store, `${TEMPORARY_PREFIX}${crypto.randomUUID()}`);
  await Deno.symlink(choice.directory, link);
  await Deno.rename(link, bin);
  await Deno.writeTextFile(
    join(store, CHOICE_FILE),
    JSON.stringify(choice, null, 2),
  );
}

async function removeLeftovers(store: string): Promise<void> {
  for await (const { name } of Deno.readDir(store)) {
    if (name.startsWith(TEMPORARY_PREFIX)) {
      await Deno.remove(join(store, name), { recursive: true });
    }
  }
}

async function fromRelease(store: string): Promise<string> {
  const release = etcdRelease();
  const terminal = Deno.stderr.isTerminal();
  using view = showProgress({
    write: terminal
      ? (text) => Deno.stderr.writeSync(new TextEncoder().encode(text))
      : undefined,
  });
  const { etcd } = await installEtcd({
    // The installer has its own directory "etcd" in the cache, which is this.
    cacheDir: dirname(store),
    release,
    urls: archiveUrls(release),
    limits: RELEASE_LIMITS,
    onProgress: view.update,
  });
  return dirname(etcd);
}

async function fromGo(store: string): Promise<string> {
  const directory = join(store, `go-v${PINNED_ETCD_VERSION}`);
  return await make(directory, async (work) => {
    const modules = ["server", "etcdctl", "etcdutl"].map((name) =>
      name === "server"
        ? "go.etcd.io/etcd/server/v3"
        : `go.etcd.io/etcd/${name}/v3`
    );
    const env = { CGO_ENABLED: "0" };
    await runProgram("go", ["mod", "init", "etcd-for-development"], {
      cwd: work,
      env,
    });
    await runProgram(
      "go",
      ["get", ...modules.map((name) => `${name}@v${PINNED_ETCD_VERSION}`)],
      { cwd: work, env },
    );
    const bin = join(work, "bin");
    await runProgram(
      "go",
      ["build", "-trimpath", "-ldflags", "-s -w", "-o", `${bin}/`, ...modules],
      { cwd: work, env },
    );
    await Deno.rename(join(bin, "server"), join(bin, "etcd"));
    return bin;
  });
}

async function fromDistribution(store: string): Promise<string> {
  const packages = ["etcd-server", "etcd-client"];
  return await make(join(store, "distribution"), async (work) => {
    try {
      await runProgram("apt-get", ["download", ...packages], { cwd: work });
    } catch {
      // No list of packages, or an old one: fetch one, beside the system's own.
      const own = await ownAptState(join(work, "apt"));
      await runProgram("apt-get", [...own, "update"], { cwd: work });
      await runProgram("apt-get", [...own, "download", ...packages], {
        cwd: work,
      });
    }
    const root = join(work, "root");
    for await (const { name } of Deno.readDir(work)) {
      if (name.endsWith(".deb")) {
        await runProgram("dpkg-deb", ["-x", name, root], { cwd: work });
      }
    }
    return join(root, "usr", "bin");
  });
}

/** Directories that apt may write to without being root. */
async function ownAptState(directory: string): Promise<string[]> {
  const lists = join(directory, "lists");
  const cache = join(directory, "cache");
  await Deno.mkdir(join(lists, "partial"), { recursive: true });
  await Deno.mkdir(join(cache, "archives", "partial"), { recursive: true });
  return [
    ["Dir::State::lists", lists],
    ["Dir::Cache", cache],
    // apt's own user may not look into a temporary directory.
    ["APT::Sandbox::User", "root"],
  ].flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** Moves what `work` made to its directory, complete, unless it is there already. */
async function make(
  directory: string,
  work: (temporary: string) => Promise<string>,
): Promise<string> {
  if (await isComplete(directory)) return directory;
  await Deno.remove(directory, { recursive: true }).catch(() => {});
  const temporary = await Deno.makeTempDir({
    dir: dirname(directory),
    prefix: TEMPORARY_PREFIX,
  });
  try {
    await Deno.rename(await work(temporary), directory);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
  return directory;
}

async function isComplete(directory: string): Promise<boolean> {
  try {
    return "etcdctl" in await sizesIn(directory);
  } catch {
    return false;
  }
}
