import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { fakeEtcd } from "../fakes/etcd_archive.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { outputOf } from "../machine/command_output.ts";

const SCRIPT = new URL("../../scripts/get_etcd.ts", import.meta.url).pathname;

/** A `go` that builds at once: scripts in place of programs, into what `-o` names. */
const FAKE_GO = `#!/bin/sh
[ "$1" = build ] || exit 0
while [ "$1" != -o ]; do shift; done
mkdir -p "$2"
for name in server etcdctl etcdutl; do
  echo '${fakeEtcd("3.6.14")}' > "$2/$name"
  chmod 755 "$2/$name"
done
`;
/** An `apt-get` and a `dpkg-deb` that know two packages of etcd 3.4. */
const FAKE_APT = `#!/bin/sh
for package in "$@"; do :; done
[ "$package" = etcd-client ] || exit 100
echo > etcd-server.deb
echo > etcd-client.deb
`;
const FAKE_DPKG = `#!/bin/sh
mkdir -p "$3/usr/bin"
name=etcd
[ "$2" = etcd-client.deb ] && name=etcdctl
echo '${fakeEtcd("3.4.23")}' > "$3/usr/bin/$name"
chmod 755 "$3/usr/bin/$name"
`;
const BROKEN = "#!/bin/sh\necho 'out of order' >&2\nexit 1\n";

interface Workshop extends AsyncDisposable {
  readonly cache: string;
  /** Puts a program first on PATH. */
  readonly put: (name: string, text: string) => Promise<void>;
  /** Runs the script where no release can be reached. */
  readonly get: (
    source?: string,
  ) => Promise<
    { readonly code: number; readonly out: string; readonly err: string }
  >;
}

async function workshop(): Promise<Workshop> {
  const dir = await tempDir();
  const programs = join(dir.path, "programs");
  const cache = join(dir.path, "cache");
  await Deno.mkdir(programs);
  const put = (name: string, text: string) =>
    Deno.writeTextFile(join(programs, name), text, { mode: 0o755 });
  await put("go", FAKE_GO);
  await put("apt-get", FAKE_APT);
  await put("dpkg-deb", FAKE_DPKG);
  // A port that was free a moment ago stands for a proxy that does not run.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const proxy = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  listener.close();
  return {
    cache,
    put,
    async get(source) {
      const { code, stdout, stderr } = await outputOf(
        new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--no-check", SCRIPT, "--cache", cache],
          env: {
            PATH: `${programs}:/usr/bin:/bin`,
            HTTPS_PROXY: proxy,
            https_proxy: proxy,
            KAT_DEV_ETCD: source ?? "",
          },
        }),
      );
      return { code, out: stdout, err: stderr };
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("get_etcd says why it got no release, and builds the same version", async () => {
  await using here = await workshop();

  const { code, out, err } = await here.get();

  strictEqual(code, 0, err);
  strictEqual(out, join(here.cache, "etcd", "bin") + "\n");
  match(err, /Not the release of its makers: Cannot download etcd 3\.6\.14/);
  match(err, /etcd for development: 3\.6\.14, built with Go/);
  for (const name of ["etcd", "etcdctl", "etcdutl"]) {
    ok((await Deno.stat(join(here.cache, "etcd", "bin", name))).isFile, name);
  }
});

Deno.test("get_etcd takes the distribution's packages when Go fails as well", async () => {
  await using here = await workshop();
  await here.put("go", BROKEN);

  const { code, err } = await here.get();

  strictEqual(code, 0, err);
  match(err, /Not built with Go.*out of order/);
  match(err, /etcd for development: 3\.4\.23, from the distribution/);
});

Deno.test("get_etcd fails, and leaves nothing, when no source works", async () => {
  await using here = await workshop();
  await here.put("go", BROKEN);
  await here.put("apt-get", BROKEN);

  const { code, out, err } = await here.get();

  strictEqual(code, 1);
  strictEqual(out, "");
  match(err, /apt-get .* ended with code 1: out of order/);
  deepStrictEqual(
    (await Array.fromAsync(Deno.readDir(join(here.cache, "etcd"))))
      .map(({ name }) => name).filter((name) => !name.endsWith(".lock")),
    [],
  );
});

Deno.test("get_etcd gets nothing again until a file is missing or damaged", async () => {
  await using here = await workshop();
  await here.get("go");
  await here.put("go", BROKEN);

  const again = await here.get("go");
  await Deno.writeTextFile(join(here.cache, "etcd", "bin.json"), "{");
  const unsure = await here.get("go");

  for (const { code, err } of [again, unsure]) {
    strictEqual(code, 0, err);
    match(err, /3\.6\.14, built with Go/);
  }
  ok(!again.err.includes("Getting etcd"), again.err);
  ok(unsure.err.includes("Getting etcd"), unsure.err);
});

Deno.test("get_etcd uses only the source that KAT_DEV_ETCD names", async () => {
  await using here = await workshop();
  await here.get("go");

  const distribution = await here.get("distribution");
  const release = await here.get("release");

  match(distribution.err, /etcd for development: 3\.4\.23/);
  strictEqual(release.code, 1);
  ok(!release.err.includes("Go"), release.err);
  strictEqual(
    await Deno.readLink(join(here.cache, "etcd", "bin")),
    "distribution",
  );
});

Deno.test("get_etcd gets an etcd again that has lost a program", async () => {
  await using here = await workshop();
  await here.get("go");
  const etcdctl = join(here.cache, "etcd", "bin", "etcdctl");
  await Deno.remove(etcdctl);

  const { code, err } = await here.get("go");

  strictEqual(code, 0, err);
  ok((await Deno.stat(etcdctl)).isFile);
});

Deno.test("get_etcd refuses an unknown source", async () => {
  await using here = await workshop();

  const { code, err } = await here.get("brew");

  strictEqual(code, 2);
  match(err, /"brew".*release, go, distribution/);
});

Deno.test("get_etcd replaces a link or a directory that it did not make", async () => {
  for (const kind of ["link", "directory"]) {
    await using here = await workshop();
    const bin = join(here.cache, "etcd", "bin");
    const other = join(here.cache, "other");
    await Deno.mkdir(other, { recursive: true });
    await Deno.mkdir(join(here.cache, "etcd"));
    await Deno.writeTextFile(join(other, "etcd"), "mine");
    if (kind === "link") await Deno.symlink(other, bin);
    else await Deno.mkdir(bin);

    const { code, err } = await here.get("go");

    strictEqual(code, 0, err);
    strictEqual(await Deno.readLink(bin), "go-v3.6.14");
    strictEqual(await Deno.readTextFile(join(other, "etcd")), "mine");
  }
});
