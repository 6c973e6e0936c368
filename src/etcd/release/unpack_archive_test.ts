import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { KatError } from "../../base/errors.ts";
import { tempDir } from "../../../tests/machine/temp_dir.ts";
import {
  makeTarGz,
  makeZip,
  type TestEntry,
} from "../../../tests/fakes/archive.ts";
import { unpackArchive } from "./unpack_archive.ts";

const DIRECTORY = "etcd-v3.6.14-linux-amd64";
const NAMES = ["etcd", "etcdctl", "etcdutl"];
const EXTENSIONS = ["tar.gz", "zip"] as const;

/** Makes an archive, unpacks it beside a canary, and returns what is there then. */
async function unpack(
  extension: typeof EXTENSIONS[number],
  entries: readonly TestEntry[],
  options: { readonly maxBytes?: number; readonly cutAt?: number } = {},
) {
  await using dir = await tempDir();
  const archive = join(dir.path, `archive.${extension}`);
  const into = join(dir.path, "a", "b", "into");
  await Deno.mkdir(into, { recursive: true });
  const bytes = extension === "zip" ? makeZip(entries) : makeTarGz(entries);
  await Deno.writeFile(archive, bytes.subarray(0, options.cutAt));
  const error = await unpackArchive(archive, {
    directory: DIRECTORY,
    names: NAMES,
    into,
    maxBytes: options.maxBytes,
  }).then(() => undefined, (error) => error);
  const files: Record<string, string> = {};
  for await (const { name } of Deno.readDir(into)) {
    files[name] = await Deno.readTextFile(join(into, name));
  }
  const outside = (await Array.fromAsync(Deno.readDir(join(dir.path, "a"))))
    .concat(await Array.fromAsync(Deno.readDir(join(dir.path, "a", "b"))))
    .map(({ name }) => name);
  deepStrictEqual(outside, ["b", "into"], "something was written elsewhere");
  return { error, files };
}

const REAL: readonly TestEntry[] = [
  { name: `${DIRECTORY}/`, type: "directory" },
  { name: `${DIRECTORY}/README.md`, content: "# etcd" },
  { name: `${DIRECTORY}/Documentation/`, type: "directory" },
  { name: `${DIRECTORY}/Documentation/etcd`, content: "not this one" },
  { name: `${DIRECTORY}/etcd`, content: "server" },
  { name: `${DIRECTORY}/etcdctl`, content: "client" },
  { name: `${DIRECTORY}/etcdutl`, content: "tool" },
];

for (const extension of EXTENSIONS) {
  Deno.test(`unpackArchive() takes the programs and nothing else out of a .${extension}`, async () => {
    const { error, files } = await unpack(extension, REAL);

    strictEqual(error, undefined);
    deepStrictEqual(files, {
      etcd: "server",
      etcdctl: "client",
      etcdutl: "tool",
    });
  });

  Deno.test(`unpackArchive() returns length and SHA-256 of what came out of a .${extension}`, async () => {
    await using dir = await tempDir();
    // Longer than every buffer on the way, and not compressible.
    const server = crypto.getRandomValues(new Uint8Array(60_000));
    const long = new Uint8Array(3_000_000);
    for (let at = 0; at < long.length; at += server.length) {
      long.set(server, at);
    }
    const archive = join(dir.path, `archive.${extension}`);
    const entries = [
      { name: `${DIRECTORY}/etcd`, content: long },
      { name: `${DIRECTORY}/etcdctl`, content: server },
    ];
    await Deno.writeFile(
      archive,
      extension === "zip" ? makeZip(entries) : makeTarGz(entries),
    );

    const seals = await unpackArchive(archive, {
      directory: DIRECTORY,
      names: NAMES,
      into: dir.path,
    });

    deepStrictEqual([...seals.keys()].sort(), ["etcd", "etcdctl"]);
    deepStrictEqual(seals.get("etcd"), {
      size: long.length,
      sha256: createHash("sha256").update(long).digest("hex"),
    });
    deepStrictEqual(
      await Deno.readFile(join(dir.path, "etcdctl")),
      server,
    );
  });

  Deno.test(`unpackArchive() writes nothing outside for hostile names in a .${extension}`, async () => {
    for (
      const name of [
        "..",
        "/etcd",
        `../${DIRECTORY}/etcd`,
        `${DIRECTORY}/../etcd`,
        `${DIRECTORY}/../../etcd`,
        `${DIRECTORY}//etcd`,
        `./${DIRECTORY}/etcd`,
        `${DIRECTORY}/ETCD`,
        `x/${DIRECTORY}/etcd`,
        "etcd",
      ]
    ) {
      const { files } = await unpack(extension, [{ name, content: "hostile" }]);

      deepStrictEqual(files, {}, name);
    }
  });

  Deno.test(`unpackArchive() refuses links and devices in place of a program in a .${extension}`, async () => {
    const types = extension === "zip"
      ? ["symlink", "device"] as const
      : ["symlink", "hardlink", "device", "fifo"] as const;
    for (const type of types) {
      const { error, files } = await unpack(extension, [
        { name: `${DIRECTORY}/etcd`, type, content: "../../etcd" },
        { name: `${DIRECTORY}/etcd`, content: "through the link" },
      ]);

      ok(error instanceof KatError, type);
      ok(/not a plain file/.test(error.message), error.message);
      deepStrictEqual(files, {}, type);
    }
  });

  Deno.test(`unpackArchive() refuses a program that is there twice in a .${extension}`, async () => {
    const { error } = await unpack(extension, [
      { name: `${DIRECTORY}/etcd`, content: "one" },
      { name: `${DIRECTORY}/etcd`, content: "two" },
    ]);

    ok(error instanceof KatError);
    ok(/it holds etcd twice/.test(error.message), error.message);
  });

  Deno.test(`unpackArchive() stops at the limit of bytes in a .${extension}`, async () => {
    const { error, files } = await unpack(extension, [
      { name: `${DIRECTORY}/etcd`, content: new Uint8Array(2_000_000) },
    ], { maxBytes: 1_000_000 });

    ok(error instanceof KatError);
    ok(/more than 1000000 bytes/.test(error.message), error.message);
    deepStrictEqual(files, {});
  });

  Deno.test(`unpackArchive() throws a KatError on a .${extension} that is cut off anywhere`, async () => {
    const noise = crypto.getRandomValues(new Uint8Array(5_000));
    const entries = [...REAL.slice(0, 4), {
      name: `${DIRECTORY}/etcd`,
      content: noise,
    }];
    const length =
      (extension === "zip" ? makeZip(entries) : makeTarGz(entries)).length;
    const cuts = Array.from({ length: 40 }, (_, part) => length * part / 40);
    // The last bytes of both formats are no part of any file.
    for (const cutAt of [...cuts.map(Math.floor), length - 8, length - 1]) {
      const { error } = await unpack(extension, entries, { cutAt });

      ok(error instanceof KatError, `cut at ${cutAt}: ${error}`);
      ok(error.hint !== undefined);
    }
  });

  Deno.test(`unpackArchive() rejects with the signal's reason on a .${extension}`, async () => {
    await using dir = await tempDir();
    const archive = join(dir.path, `archive.${extension}`);
    await Deno.writeFile(
      archive,
      extension === "zip" ? makeZip(REAL) : makeTarGz(REAL),
    );
    const reason = new Error("stop");

    await rejects(
      unpackArchive(archive, {
        directory: DIRECTORY,
        names: NAMES,
        into: dir.path,
        signal: AbortSignal.abort(reason),
      }),
      reason,
    );
  });
}

Deno.test("unpackArchive() throws a KatError on a web page", async () => {
  await using dir = await tempDir();
  for (const extension of EXTENSIONS) {
    const archive = join(dir.path, `archive.${extension}`);
    await Deno.writeTextFile(archive, "<!doctype html><title>Log in</title>");

    await rejects(
      unpackArchive(archive, {
        directory: DIRECTORY,
        names: NAMES,
        into: dir.path,
      }),
      KatError,
    );
  }
});
