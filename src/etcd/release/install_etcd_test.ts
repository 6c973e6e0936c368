import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import {
  type EtcdArchive,
  etcdArchive,
  fakeEtcd,
} from "../../../tests/fakes/etcd_archive.ts";
import {
  type RawConnection,
  type RawHandler,
  startRawHttpServer,
} from "../../../tests/fakes/raw_http_server.ts";
import { tempDir } from "../../../tests/machine/temp_dir.ts";
import { treeHash } from "../../../tests/machine/tree_hash.ts";
import { KatError } from "../../base/errors.ts";
import { startLogging } from "../../base/logging/start_logging.ts";
import { inspectRelease, keptArchive, releaseDirectory } from "./etcd_cache.ts";
import { archiveUrls } from "./etcd_release.ts";
import { versionText } from "../etcd_version.ts";
import { installEtcd, type InstallEtcdOptions } from "./install_etcd.ts";

const ARCHIVE = etcdArchive();
const QUICK = { firstPauseMs: 2, attempts: 2 };

function serving({ bytes }: EtcdArchive): RawHandler {
  return (_, { send }) =>
    send("200 OK", { "content-length": bytes.length }, bytes);
}

/** Installs an archive from a server with this handler. */
async function installFrom(
  handler: RawHandler,
  options: Partial<InstallEtcdOptions> & { readonly cacheDir: string },
) {
  await using server = startRawHttpServer(handler);
  const release = options.release ?? ARCHIVE.release;
  const binaries = await installEtcd({
    limits: QUICK,
    ...options,
    release,
    urls: archiveUrls(release, server.url),
  });
  return { binaries, requests: server.requests };
}

async function sha256Of(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

async function namesIn(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory)))
    .map(({ name }) => name).sort();
}

async function errorOf(work: Promise<unknown>): Promise<KatError> {
  const error = await work.then(() => undefined, (error) => error);
  ok(error instanceof KatError, `not a KatError: ${error}`);
  return error;
}

for (const platform of ["linux-amd64", "darwin-arm64"] as const) {
  Deno.test(`installEtcd() puts the programs of ${platform} and their archive into the cache`, async () => {
    await using dir = await tempDir();
    const archive = etcdArchive({ platform });

    const { binaries, requests } = await installFrom(serving(archive), {
      cacheDir: dir.path,
      release: archive.release,
    });

    const at = releaseDirectory(dir.path, archive.release);
    strictEqual(at, join(dir.path, "etcd", `v3.6.14-${platform}`));
    deepStrictEqual(
      { ...binaries, version: versionText(binaries.version) },
      {
        etcd: join(at, "etcd"),
        etcdctl: join(at, "etcdctl"),
        etcdutl: join(at, "etcdutl"),
        version: "3.6.14",
        source: "download",
        known: {
          archiveSha256: archive.release.sha256,
          sha256: await sha256Of(join(at, "etcd")),
        },
      },
    );
    strictEqual(requests[0]?.target, archive.path);
    deepStrictEqual(await namesIn(join(dir.path, "etcd")), [
      ".lock",
      `v3.6.14-${platform}`,
    ]);
    const kept = keptArchive(at, archive.release);
    deepStrictEqual(
      await namesIn(at),
      ["etcd", basename(kept), "etcdctl", "etcdutl"].sort(),
    );
    strictEqual(await sha256Of(kept), archive.release.sha256);
    strictEqual((await Deno.stat(kept)).mode, 0o100644);
    const etcdctl = join(at, "etcdctl");
    strictEqual(await Deno.readTextFile(etcdctl), fakeEtcd("3.6.14"));
    strictEqual((await Deno.stat(etcdctl)).mode, 0o100755);
  });
}

Deno.test("installEtcd() asks no server when the release is in the cache", async () => {
  await using dir = await tempDir();
  await installFrom(serving(ARCHIVE), { cacheDir: dir.path });
  const before = await treeHash(dir.path);

  const { binaries, requests } = await installFrom(serving(ARCHIVE), {
    cacheDir: dir.path,
  });

  strictEqual(binaries.source, "cache");
  strictEqual(requests.length, 0);
  deepStrictEqual(await treeHash(dir.path), before);
});

/** Everything that can go wrong with a server, and what the error must say. */
const FAILURES: Readonly<
  Record<string, { readonly handler: RawHandler; readonly says: RegExp }>
> = {
  "the archive is not there": {
    handler: (_, { send }) => send("404 Not Found", {}, "no such file"),
    says: /404 Not Found/,
  },
  "the server is broken": {
    handler: (_, { send }) => send("500 Internal Server Error"),
    says: /500 Internal Server Error/,
  },
  "a web page comes instead": {
    handler: (_, { send }) =>
      send("200 OK", { "content-type": "text/html" }, "<html>Log in</html>"),
    says: /sent a web page/,
  },
  "a web page comes that says it is an archive": {
    handler: (_, { send }) =>
      send(
        "200 OK",
        { "content-type": "application/gzip" },
        "<html>Log in</html>",
      ),
    says: /SHA-256/,
  },
  "the archive is cut off": {
    handler: (_, { send }) =>
      send(
        "200 OK",
        { "content-length": ARCHIVE.bytes.length },
        ARCHIVE.bytes.subarray(0, 999),
      ),
    says: /the connection broke after 999 bytes/,
  },
  "another archive comes": {
    handler: serving(etcdArchive()),
    says: new RegExp(ARCHIVE.release.sha256),
  },
  "redirects lead in a circle": {
    handler: (request, { send }) =>
      send("302 Found", { location: request.target }),
    says: /more than 5 redirects/,
  },
};

for (const [what, { handler, says }] of Object.entries(FAILURES)) {
  Deno.test(`installEtcd() says so and leaves nothing when ${what}`, async () => {
    await using dir = await tempDir();
    await Deno.mkdir(join(dir.path, "etcd", "v3.5.30-linux-amd64"), {
      recursive: true,
    });
    await Deno.writeTextFile(join(dir.path, "etcd", ".lock"), "", {
      mode: 0o600,
    });
    const before = await treeHash(dir.path);

    const error = await errorOf(installFrom(handler, { cacheDir: dir.path }));

    match(error.message, /^Cannot download etcd 3\.6\.14: "http:/);
    match(error.message, says);
    ok(error.hint !== undefined, "no hint");
    deepStrictEqual(await treeHash(dir.path), before);
  });
}

const BAD_ARCHIVES: Readonly<
  Record<string, { readonly archive: EtcdArchive; readonly says: RegExp }>
> = {
  "it is for another processor": {
    archive: etcdArchive({ etcd: elfFor(0x15) }),
    says: /another processor/,
  },
  "it holds another version": {
    archive: etcdArchive({ prints: "3.6.13" }),
    says: /its etcd is 3\.6\.13/,
  },
  "its etcd fails": {
    archive: etcdArchive({ etcd: "#!/bin/sh\necho broken >&2\nexit 3\n" }),
    says: /code 3: broken/,
  },
  "its etcd says nothing of use": {
    archive: etcdArchive({ etcd: "#!/bin/sh\necho hello\n" }),
    says: /Cannot find a version/,
  },
  "it holds no program at all": {
    archive: etcdArchive({ etcd: "not a program" }),
    says: /not a program/,
  },
};

for (const [what, { archive, says }] of Object.entries(BAD_ARCHIVES)) {
  Deno.test(`installEtcd() refuses an archive with the right checksum when ${what}`, async () => {
    await using dir = await tempDir();

    const error = await errorOf(
      installFrom(serving(archive), {
        cacheDir: dir.path,
        release: archive.release,
      }),
    );

    match(error.message, /its SHA-256 is right, but /);
    match(error.message, says);
    match(error.hint ?? "", /spec\.etcd\.sha256/);
    deepStrictEqual(await namesIn(join(dir.path, "etcd")), [".lock"]);
  });
}

/** The beginning of a program for Linux on some processor. */
function elfFor(machine: number): Uint8Array {
  const header = new Uint8Array(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header[18] = machine;
  return header;
}

Deno.test("installEtcd() refuses an archive without etcd", async () => {
  await using dir = await tempDir();
  const archive = etcdArchive();
  const release = {
    ...archive.release,
    version: { ...archive.release.version, patch: 15 },
  };

  const error = await errorOf(
    installFrom(serving(archive), { cacheDir: dir.path, release }),
  );

  match(error.message, /it holds no etcd/);
});

Deno.test("installEtcd() tries the next place when the first fails", async () => {
  await using dir = await tempDir();
  await using first = startRawHttpServer((_, { send }) => send("403 No"));
  await using second = startRawHttpServer(serving(ARCHIVE));

  const binaries = await installEtcd({
    cacheDir: dir.path,
    release: ARCHIVE.release,
    urls: [first, second].map(({ url }) => new URL("/etcd", url)),
  });

  strictEqual(binaries.source, "download");
  strictEqual(first.requests.length, 1);
});

Deno.test("installEtcd() names every place that failed in one error", async () => {
  await using dir = await tempDir();
  await using first = startRawHttpServer((_, { send }) => send("403 No"));
  await using second = startRawHttpServer((_, { send }) =>
    send("404 Not Found")
  );

  const error = await errorOf(installEtcd({
    cacheDir: dir.path,
    release: ARCHIVE.release,
    urls: [first, second].map(({ url }) => new URL("/etcd", url)),
  }));

  match(error.message, /403 Forbidden; .*404 Not Found$/);
});

/** How a cache can be damaged. */
const TAMPERINGS: Readonly<
  Record<string, (directory: string) => Promise<void>>
> = {
  "a byte of etcd is another": async (directory) => {
    using file = await Deno.open(join(directory, "etcd"), { write: true });
    await file.seek(5_000, Deno.SeekMode.Start);
    await file.write(new Uint8Array([0]));
  },
  "etcdctl is longer": (directory) =>
    Deno.writeTextFile(join(directory, "etcdctl"), "more", { append: true }),
  "etcdutl is gone": (directory) => Deno.remove(join(directory, "etcdutl")),
  "etcd is a link": async (directory) => {
    await Deno.rename(join(directory, "etcd"), join(directory, "x"));
    await Deno.symlink("x", join(directory, "etcd"));
  },
  "etcdctl is a link to itself": async (directory) => {
    const path = join(directory, "etcdctl");
    // A link is as long as what it says, so only its kind gives it away.
    const target = "x".repeat((await Deno.stat(path)).size);
    await Deno.rename(path, join(directory, target));
    await Deno.symlink(target, path);
  },
  "etcd is not executable": (directory) =>
    Deno.chmod(join(directory, "etcd"), 0o644),
  "its archive is gone": (directory) =>
    Deno.remove(keptArchive(directory, ARCHIVE.release)),
  "its archive is cut off": (directory) =>
    Deno.truncate(keptArchive(directory, ARCHIVE.release), 999),
  "its archive and programs are another's": async (directory) => {
    const other = etcdArchive({ prints: "3.6.14", etcd: "#!/bin/sh\n" });
    await Deno.writeFile(
      keptArchive(directory, ARCHIVE.release),
      other.bytes,
    );
    await Deno.writeTextFile(join(directory, "etcd"), "#!/bin/sh\n");
  },
  "its archive is a link": async (directory) => {
    const path = keptArchive(directory, ARCHIVE.release);
    await Deno.rename(path, join(directory, "x"));
    await Deno.symlink("x", path);
  },
  "others may write to etcd": (directory) =>
    Deno.chmod(join(directory, "etcd"), 0o775),
  "others may write to it": (directory) => Deno.chmod(directory, 0o777),
  "the release is a file": async (directory) => {
    await Deno.remove(directory, { recursive: true });
    await Deno.writeTextFile(directory, "");
  },
};

for (const [what, tamper] of Object.entries(TAMPERINGS)) {
  Deno.test(`installEtcd() replaces the release in the cache when ${what}`, async () => {
    await using dir = await tempDir();
    await installFrom(serving(ARCHIVE), { cacheDir: dir.path });
    const intact = await treeHash(dir.path);
    await tamper(releaseDirectory(dir.path, ARCHIVE.release));

    const { binaries, requests } = await installFrom(serving(ARCHIVE), {
      cacheDir: dir.path,
    });

    strictEqual(binaries.source, "download");
    strictEqual(requests.length, 1);
    deepStrictEqual(await treeHash(dir.path), intact);
  });
}

Deno.test("inspectRelease() believes a server that the node knows without its archive, and no other", async () => {
  await using dir = await tempDir();
  const { binaries } = await installFrom(serving(ARCHIVE), {
    cacheDir: dir.path,
  });
  const { known } = binaries;
  ok(known);
  const { release } = ARCHIVE;
  const directory = releaseDirectory(dir.path, release);
  await Deno.remove(keptArchive(directory, release));
  const inspect = async (changes = {}) => {
    const state = await inspectRelease(dir.path, release, {
      programs: ["etcd"],
      known: { ...known, ...changes },
    });
    return state.kind;
  };

  strictEqual(await inspect(), "intact");
  strictEqual(await inspect({ archiveSha256: "0".repeat(64) }), "damaged");
  await Deno.writeTextFile(join(directory, "etcd"), "x", { append: true });
  strictEqual(await inspect(), "damaged");
});

Deno.test("installEtcd() refuses a cache that others may write to, and changes nothing", async () => {
  await using dir = await tempDir();
  for (const [name, mode] of [["open", 0o777], ["group", 0o775]] as const) {
    const cacheDir = join(dir.path, name);
    await Deno.mkdir(cacheDir);
    await Deno.chmod(cacheDir, mode);

    const error = await errorOf(installFrom(serving(ARCHIVE), { cacheDir }));

    match(error.message, /other users may write to it/);
    match(error.hint ?? "", /--cache-dir/);
    deepStrictEqual(await namesIn(cacheDir), []);
  }
});

Deno.test("installEtcd() refuses a damaged release when there is no other, and leaves it", async () => {
  await using dir = await tempDir();
  await installFrom(serving(ARCHIVE), { cacheDir: dir.path });
  const directory = releaseDirectory(dir.path, ARCHIVE.release);
  await Deno.writeTextFile(join(directory, "etcd"), "#!/bin/sh\n");
  const before = await treeHash(dir.path);

  const error = await errorOf(
    installFrom((_, { send }) => send("404 Not Found"), { cacheDir: dir.path }),
  );

  match(error.message, /is damaged: etcd has 10 bytes instead of/);
  ok(error.message.includes(directory));
  deepStrictEqual(await treeHash(dir.path), before);
});

Deno.test("installEtcd() replaces a release that came from another archive", async () => {
  await using dir = await tempDir();
  const other = etcdArchive();
  await installFrom(serving(other), {
    cacheDir: dir.path,
    release: other.release,
  });

  const { binaries } = await installFrom(serving(ARCHIVE), {
    cacheDir: dir.path,
  });

  strictEqual(binaries.source, "download");
});

Deno.test("installEtcd() removes what an interrupted run left, and nothing else", async () => {
  await using dir = await tempDir();
  const root = join(dir.path, "etcd");
  await Deno.mkdir(join(root, ".new-abc123", "release"), { recursive: true });
  await Deno.writeTextFile(join(root, ".new-abc123", "release", "etcd"), "x");
  await Deno.mkdir(join(root, "bin"));
  await Deno.writeTextFile(join(root, "new-notes"), "mine");

  await installFrom(serving(ARCHIVE), { cacheDir: dir.path });

  deepStrictEqual(await namesIn(root), [
    ".lock",
    "bin",
    "new-notes",
    "v3.6.14-linux-amd64",
  ]);
});

Deno.test("installEtcd() says which directory it cannot write to", async () => {
  await using dir = await tempDir();
  // Not a question of rights, so that it holds for root, too.
  const cacheDir = join(dir.path, "file", "cache");
  await Deno.writeTextFile(join(dir.path, "file"), "");

  const error = await errorOf(installFrom(serving(ARCHIVE), { cacheDir }));

  match(error.message, /^Cannot keep etcd in ".*file\/cache\/etcd": /);
  match(error.hint ?? "", /--cache-dir/);
});

Deno.test("installEtcd() waits for another that holds the lock, and then downloads nothing", async () => {
  await using dir = await tempDir();
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const slowly = async (_: unknown, { send }: RawConnection) => {
    asked.resolve();
    await go.promise;
    await send("200 OK", {}, ARCHIVE.bytes);
  };

  const first = installFrom(slowly, { cacheDir: dir.path });
  await asked.promise;
  const second = installFrom(serving(ARCHIVE), { cacheDir: dir.path });
  go.resolve();

  strictEqual((await first).binaries.source, "download");
  const { binaries, requests } = await second;
  strictEqual(binaries.source, "cache");
  strictEqual(requests.length, 0);
});

Deno.test("installEtcd() stops waiting for the lock when its signal aborts", async () => {
  await using dir = await tempDir();
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const first = installFrom(async (_, { send }) => {
    asked.resolve();
    await go.promise;
    await send("200 OK", {}, ARCHIVE.bytes);
  }, { cacheDir: dir.path });
  await asked.promise;
  const reason = new Error("stop");
  const controller = new AbortController();
  const waiting = Promise.withResolvers<void>();
  await using _logging = await startLogging({
    format: "text",
    level: "info",
    colors: false,
    write: (bytes) => {
      const line = new TextDecoder().decode(bytes);
      if (line.includes("Waiting for another agent")) waiting.resolve();
      return Promise.resolve();
    },
  });
  const second = installFrom(serving(ARCHIVE), {
    cacheDir: dir.path,
    signal: controller.signal,
  });
  await waiting.promise;

  controller.abort(reason);

  await rejects(second, reason);
  go.resolve();
  await first;
});

Deno.test("installEtcd() leaves nothing when its signal aborts in the middle of the download", async () => {
  await using dir = await tempDir();
  const controller = new AbortController();
  const reason = new Error("stop");

  await rejects(
    installFrom(async (_, { send, gone }) => {
      await send(
        "200 OK",
        { "content-length": ARCHIVE.bytes.length },
        ARCHIVE.bytes.subarray(0, 50_000),
      );
      await gone;
    }, {
      cacheDir: dir.path,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    }),
    reason,
  );

  deepStrictEqual(await namesIn(join(dir.path, "etcd")), [".lock"]);
});
