import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { dirname, join } from "node:path";
import { releaseDirectory } from "../../src/etcd/release/etcd_cache.ts";
import { etcdRelease } from "../../src/etcd/release/etcd_release.ts";
import { startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { startRawHttpServer } from "../fakes/raw_http_server.ts";
import { tempDir } from "../machine/temp_dir.ts";

Deno.test("an agent that guessed its etcd wrongly runs only the etcd that it checked", async () => {
  await using dir = await tempDir();
  await using mirror = startRawHttpServer((_request, { send }) =>
    send("404 Not Found")
  );
  // By its name the release in the cache; by its bytes another program.
  const cache = join(dir.path, "cache");
  const release = releaseDirectory(cache, etcdRelease());
  const trace = join(dir.path, "was-run");
  await Deno.mkdir(release, { recursive: true });
  await Deno.writeTextFile(
    join(release, "etcd"),
    `#!/bin/sh\n: > '${trace}'\nexec '${etcdBinaries.etcd}' "$@"\n`,
    { mode: 0o755 },
  );
  const file = await writeClusterFile(dir.path, {
    spec: { etcd: `{ mirror: "${mirror.url}" }` },
  });
  await using agent = startAgent(initArgs(file, join(dir.path, "data")), {
    env: {
      KAT_ETCD_BINARY: "",
      KAT_CACHE_DIR: cache,
      PATH: dirname(etcdBinaries.etcd),
    },
  });
  await agent.logged("Became leader");
  ok(
    agent.lines.some(({ message }) =>
      message.startsWith("Using the etcd on PATH")
    ),
  );
  await rejects(Deno.lstat(trace), Deno.errors.NotFound);
  const { code } = await agent.stop();
  strictEqual(code, 0);
  await rejects(Deno.lstat(trace), Deno.errors.NotFound);
});

Deno.test("a node goes on with the etcd that wrote its data when the release may not follow it", async () => {
  await using dir = await tempDir();
  // The etcd under test, which says that it is an older one, and takes its flags.
  const binary = join(dir.path, "old-etcd");
  await Deno.writeTextFile(
    binary,
    `#!/bin/sh
[ "$1" = --version ] && { echo 'etcd Version: 3.5.16'; exit; }
for flag do
  shift
  case $flag in
  (--enable-v2=*|--experimental-*) ;;
  (*) set -- "$@" "$flag" ;;
  esac
done
exec '${etcdBinaries.etcd}' "$@"
`,
    { mode: 0o755 },
  );
  const data = join(dir.path, "data");
  const file = await writeClusterFile(dir.path);
  {
    await using first = startAgent(initArgs(file, data), {
      env: { KAT_ETCD_BINARY: binary },
    });
    await first.logged("Became leader");
  }
  const identity = join(data, "identity.json");
  const text = await Deno.readTextFile(identity);
  await Deno.writeTextFile(identity, text.replace(/"3\.6\.0"/, '"3.5.0"'));
  const env = {
    KAT_ETCD_BINARY: "",
    KAT_CACHE_DIR: join(dir.path, "cache"),
  };

  await using second = startAgent(["run", `--data-dir=${data}`], { env });
  const { fields } = await second.logged("Going on with the etcd");
  await second.logged("Became leader");

  strictEqual(fields.etcd, binary);
  match(String(fields.reason), /misread the list of members/);
});
