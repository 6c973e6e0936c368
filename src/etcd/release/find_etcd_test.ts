import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { join, relative } from "node:path";
import { etcdArchive, fakeEtcd } from "../../../tests/fakes/etcd_archive.ts";
import {
  type RawHttpServer,
  startRawHttpServer,
} from "../../../tests/fakes/raw_http_server.ts";
import { tempDir } from "../../../tests/machine/temp_dir.ts";
import { KatError } from "../../base/errors.ts";
import { startLogging } from "../../base/logging/start_logging.ts";
import { parseEtcdVersion, versionText } from "../etcd_version.ts";
import {
  fetchEtcd,
  findEtcd,
  type FindEtcdOptions,
  guessEtcd,
} from "./find_etcd.ts";

const ARCHIVE = etcdArchive();

/** A directory for the cache, one for PATH, and a mirror that has the archive or not. */
interface Machine extends AsyncDisposable {
  readonly options: FindEtcdOptions & { readonly path: string };
  readonly mirror: RawHttpServer;
}

async function machine({ online }: { online: boolean }): Promise<Machine> {
  const dir = await tempDir();
  const mirror = startRawHttpServer((request, { send }) =>
    online && request.target === ARCHIVE.path
      ? send("200 OK", {}, ARCHIVE.bytes)
      : send("404 Not Found")
  );
  const path = join(dir.path, "bin");
  await Deno.mkdir(path);
  return {
    mirror,
    options: {
      sha256: ARCHIVE.release.sha256,
      platform: ARCHIVE.release.platform,
      mirror: mirror.url,
      cacheDir: join(dir.path, "cache"),
      path,
    },
    async [Symbol.asyncDispose]() {
      await mirror[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

async function putEtcd(directory: string, version: string): Promise<string> {
  const path = join(directory, "etcd");
  await Deno.writeTextFile(path, fakeEtcd(version), { mode: 0o755 });
  return path;
}

async function refusalOf(options: FindEtcdOptions): Promise<KatError> {
  const error = await findEtcd(options)
    .then(() => undefined, (error) => error);
  ok(error instanceof KatError, `not a KatError: ${error}`);
  return error;
}

/** Runs `work` and returns its result and the log. */
async function logged<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly log: string }> {
  let log = "";
  let result: T;
  {
    await using _logging = await startLogging({
      format: "json",
      level: "debug",
      colors: false,
      write: (bytes) => {
        log += new TextDecoder().decode(bytes);
        return Promise.resolve();
      },
    });
    result = await work();
  }
  return { result, log };
}

Deno.test("findEtcd() takes the one that was named, and looks for no other", async () => {
  await using here = await machine({ online: true });
  const binary = await putEtcd(here.options.path, "3.5.30");

  const found = await findEtcd({ ...here.options, binary, binaryFrom: "flag" });

  strictEqual(found.etcd, binary);
  strictEqual(versionText(found.version), "3.5.30");
  strictEqual(found.source, "setting");
  strictEqual(here.mirror.requests.length, 0);
});

Deno.test("findEtcd() refuses the one that was named, and says where that was", async () => {
  await using here = await machine({ online: true });
  const unsupported = await putEtcd(here.options.path, "3.3.27");
  const missing = join(here.options.path, "nothing");

  for (
    const [binary, binaryFrom, says] of [
      [missing, "flag", /no such file \(set by --etcd-binary\)$/],
      [missing, "environment", /\(set by KAT_ETCD_BINARY\)$/],
      [unsupported, "config", /3\.3\.27.*\(set by spec\.etcd\.binary\)$/],
    ] as const
  ) {
    const error = await refusalOf({ ...here.options, binary, binaryFrom });

    match(error.message, says);
    ok(error.hint !== undefined);
  }
  strictEqual(here.mirror.requests.length, 0);
});

Deno.test("findEtcd() downloads once, then takes what is in the cache, also offline", async () => {
  await using here = await machine({ online: true });
  await putEtcd(here.options.path, "3.6.14");

  const first = await findEtcd(here.options);
  await here.mirror[Symbol.asyncDispose]();
  const second = await findEtcd(here.options);

  strictEqual(first.source, "download");
  strictEqual(second.source, "cache");
  strictEqual(second.etcd, first.etcd);
});

Deno.test("findEtcd() and guessEtcd() take the release from the system's cache if the own has none", async () => {
  await using here = await machine({ online: true });
  const { cacheDir } = here.options;
  const system = `${cacheDir}-system`;
  const fetched = await fetchEtcd({ ...here.options, cacheDir: system });
  await here.mirror[Symbol.asyncDispose]();
  const options = { ...here.options, systemCacheDir: system };

  const { etcd, source } = await findEtcd(options);

  strictEqual(etcd, fetched.etcd);
  strictEqual(source, "cache");
  strictEqual(await guessEtcd(options), etcd);
  strictEqual(await guessEtcd(here.options), undefined);
  await rejects(Deno.lstat(cacheDir), Deno.errors.NotFound);
});

Deno.test("findEtcd() takes a supported etcd on PATH when none can be fetched, and says so", async () => {
  await using here = await machine({ online: false });
  const etcd = await putEtcd(here.options.path, "3.5.30");

  const { result, log } = await logged(() => findEtcd(here.options));

  strictEqual(result.etcd, etcd);
  strictEqual(result.source, "path");
  match(log, /Using the etcd on PATH/);
  ok(!log.includes('"warning"') && !/no longer maintained/.test(log), log);
});

Deno.test("findEtcd() warns of an outdated etcd", async () => {
  await using here = await machine({ online: false });
  const binary = await putEtcd(here.options.path, "3.4.23");

  const { log } = await logged(() => findEtcd({ ...here.options, binary }));

  match(log, /no longer maintained/);
});

for (
  const [version, why] of [
    ["3.4.23", /more than one minor version newer/],
    ["3.5.16", /misread the list of members/],
    ["3.7.1", /too old for data that etcd 3\.7\.1/],
  ] as const
) {
  Deno.test(`findEtcd() begins no data with etcd ${version} on PATH, which the release could not take over`, async () => {
    for (const readOnly of [false, true]) {
      await using here = await machine({ online: readOnly });
      const { options } = here;
      const onPath = await putEtcd(options.path, version);
      const cacheDir = readOnly ? "/proc/kat-cache" : options.cacheDir;

      const error = await refusalOf({ ...options, cacheDir });

      ok(error.message.includes(onPath), error.message);
      match(error.message, new RegExp(`it is etcd ${version}`));
      match(error.message, /etcd 3\.6\.14 could not take over/);
      match(error.message, why);
      match(error.hint ?? "", /--etcd-binary or spec\.etcd\.binary/);
    }
  });
}

const former = (version: string, binary?: string) => ({
  member: parseEtcdVersion(version),
  binary,
});

Deno.test("findEtcd() goes on with the etcd that wrote the data while the release may not take it over", async () => {
  await using here = await machine({ online: true });
  const other = join(here.options.path, "other");
  await Deno.mkdir(other);
  const binary = await putEtcd(other, "3.4.23");

  const { result, log } = await logged(() =>
    findEtcd({ ...here.options, former: former("3.4.23", binary) })
  );

  strictEqual(result.etcd, binary);
  match(log, /Going on with the etcd that fits the data/);
  match(log, /"wanted":"3\.6\.14"/);
  match(log, /run etcd 3\.5 first/);
  strictEqual(here.mirror.requests.length, 0);

  // One on PATH that may follow will do, too, as the step to the release.
  await Deno.remove(binary);
  const next = await putEtcd(here.options.path, "3.5.33");
  const options = { ...here.options, former: former("3.4.23", binary) };
  strictEqual((await findEtcd(options)).etcd, next);
});

Deno.test("findEtcd() names both versions and the ways on when the etcd that wrote the data is gone", async () => {
  await using here = await machine({ online: true });

  const error = await refusalOf({
    ...here.options,
    former: former("3.4.23", "/nowhere/etcd"),
  });

  match(error.message, /etcd 3\.6\.14 .* etcd 3\.4\.23.*"\/nowhere\/etcd"/);
  match(
    error.hint ?? "",
    /Install etcd 3\.4\.23 again, or name one with --etcd-binary.*run etcd 3\.5 first/,
  );
});

Deno.test("findEtcd() takes the release where it may take over the data", async () => {
  await using here = await machine({ online: true });
  const binary = await putEtcd(here.options.path, "3.5.33");

  const found = await findEtcd({
    ...here.options,
    former: former("3.5.33", binary),
  });

  strictEqual(found.source, "download");
});

Deno.test("findEtcd() runs the former etcd when none can be fetched, unless it was changed", async () => {
  await using here = await machine({ online: false });
  const other = join(here.options.path, "other");
  await Deno.mkdir(other);
  const binary = await putEtcd(other, "3.6.14");
  const options = { ...here.options, former: former("3.6.14", binary) };

  strictEqual((await findEtcd(options)).etcd, binary);
  const changed = { ...options.former, sha256: "0".repeat(64) };
  match(
    (await refusalOf({ ...options, former: changed })).message,
    /it was changed since it last ran/,
  );
});

Deno.test("findEtcd() does not go back to an etcd on PATH that is too old for the data", async () => {
  await using here = await machine({ online: false });
  await putEtcd(here.options.path, "3.5.33");

  const error = await refusalOf({ ...here.options, former: former("3.6.14") });

  match(error.message, /3\.5\.33 is too old for data that etcd 3\.6\.14/);
});

Deno.test("findEtcd() passes by what is unsupported, broken or relative on PATH", async () => {
  await using here = await machine({ online: false });
  const directories: string[] = [];
  for (const name of ["old", "broken", "good", "elsewhere"]) {
    const directory = join(here.options.path, name);
    await Deno.mkdir(directory);
    directories.push(directory);
  }
  const [old = "", broken = "", good = "", elsewhere = ""] = directories;
  await putEtcd(elsewhere, "3.7.0");
  await putEtcd(old, "3.3.27");
  await Deno.writeTextFile(join(broken, "etcd"), "#!/bin/sh\nexit 1\n", {
    mode: 0o755,
  });
  await putEtcd(good, "3.6.1");

  const found = await findEtcd({
    ...here.options,
    path: `:${
      relative(Deno.cwd(), elsewhere)
    }:/nowhere:${old}:${broken}:${good}:`,
  });

  strictEqual(found.etcd, join(good, "etcd"));
});

Deno.test("findEtcd() says all that it tried, and what can be done", async () => {
  await using here = await machine({ online: false });
  const old = await putEtcd(here.options.path, "3.3.27");

  const error = await refusalOf(here.options);

  match(error.message, /^Cannot download etcd 3\.6\.14: .*404 Not Found/);
  ok(error.message.includes(old), error.message);
  for (
    const wanted of [
      "--etcd-binary",
      "spec.etcd.mirror",
      "kat-agent etcd fetch",
      join(here.options.cacheDir, "etcd"),
    ]
  ) {
    ok(error.hint?.includes(wanted), error.hint ?? "no hint");
  }
  match(
    (await refusalOf({ ...here.options, path: undefined })).message,
    /; no etcd on PATH$/,
  );
});

Deno.test("findEtcd() takes the one on PATH on a machine that no release is for", async () => {
  await using here = await machine({ online: true });
  const etcd = await putEtcd(here.options.path, "3.6.14");

  const found = await findEtcd({
    ...here.options,
    version: "3.6.1",
    sha256: undefined,
  });

  strictEqual(found.etcd, etcd);
});

Deno.test("fetchEtcd() looks at no etcd on PATH", async () => {
  await using here = await machine({ online: false });
  await putEtcd(here.options.path, "3.6.14");

  await rejects(fetchEtcd(here.options), KatError);
});

Deno.test("findEtcd() rejects with the signal's reason", async () => {
  await using here = await machine({ online: true });
  const reason = new Error("stop");

  await rejects(
    findEtcd({ ...here.options, signal: AbortSignal.abort(reason) }),
    reason,
  );
});
