import { ok, strictEqual } from "node:assert/strict";
import { sourceCommand } from "../machine/agent_process.ts";
import { writeClusterFile } from "../machine/cluster_file.ts";
import { tempDir } from "../machine/temp_dir.ts";

/** What runs an agent, speaks with etcd or unpacks it, by its packages. */
const HEAVY = [
  "@grpc/grpc-js",
  "@grpc/proto-loader",
  "etcd3",
  "protobufjs",
  "tar",
  "yauzl",
];
/** What reads and checks `cluster.kat`. */
const CONFIG = ["ipaddr.js", "valibot", "yaml"];
/** Rooms of which the command line alone needs nothing. */
const ROOMS = ["agent", "election", "etcd", "store"];

/** What one command has loaded: paths in the checkout, and names of packages. */
interface Loaded {
  readonly modules: ReadonlySet<string>;
  readonly packages: ReadonlySet<string>;
}

/** Runs a command from source, and reads from V8's coverage what was loaded. */
async function loadedBy(...args: string[]): Promise<Loaded> {
  await using dir = await tempDir();
  const coverage = `${dir.path}/coverage`;
  const [deno, run, ...rest] = sourceCommand(args);
  const { code, stderr } = await new Deno.Command(deno ?? "", {
    args: [run ?? "", `--coverage=${coverage}`, ...rest],
    stdout: "null",
    stderr: "piped",
  }).output();
  strictEqual(code, 0, new TextDecoder().decode(stderr));
  const modules = new Set<string>();
  const packages = new Set<string>();
  for await (const { name } of Deno.readDir(coverage)) {
    if (!name.endsWith(".json")) continue;
    const { url } = JSON.parse(await Deno.readTextFile(`${coverage}/${name}`));
    const [, path] = /\/(main\.ts|src\/.*)$/.exec(url) ?? [];
    const [, one] = /\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? [];
    if (one) packages.add(one);
    else if (path) modules.add(path);
  }
  ok(modules.has("main.ts"), "nothing is known of what was loaded");
  return { modules, packages };
}

/** Fails for each of these packages, and each of these rooms, that was loaded. */
function expectWithout(
  { modules, packages }: Loaded,
  { names, rooms }: {
    readonly names: readonly string[];
    readonly rooms: readonly string[];
  },
): void {
  const wrong = [
    ...names.filter((name) => packages.has(name)),
    ...[...modules].filter((path) =>
      rooms.some((room) => path.startsWith(`src/${room}/`))
    ),
  ];
  strictEqual(wrong.join("\n"), "");
}

for (const args of [["version"], ["help"], ["help", "init"]]) {
  Deno.test(`kat-agent ${args.join(" ")} loads no package but the command line's`, async () => {
    const loaded = await loadedBy(...args);
    ok(loaded.packages.has("@optique/core"), "packages are not seen");
    expectWithout(loaded, { names: [...HEAVY, ...CONFIG], rooms: ROOMS });
  });
}

Deno.test("kat-agent config validate loads what reads cluster.kat, and nothing that speaks with etcd", async () => {
  await using dir = await tempDir();
  const { path } = await writeClusterFile(dir.path);
  const loaded = await loadedBy("config", "validate", path);
  ok(loaded.packages.has("yaml"), "packages are not seen");
  expectWithout(loaded, { names: HEAVY, rooms: ["election", "etcd", "store"] });
});

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
  }[];
}

/** What a module loads, at once or later; what is imported for its types is not loaded. */
async function reachedFrom(module: string): Promise<Loaded> {
  const file = new URL(`../../${module}`, import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", file.pathname],
    stderr: "null",
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly modules: readonly Module[];
  };
  const known = new Map(modules.map((one) => [one.specifier, one]));
  const reached = new Set([file.href]);
  // A set goes on with what is added to it meanwhile.
  for (const specifier of reached) {
    for (const { code } of known.get(specifier)?.dependencies ?? []) {
      if (code?.specifier !== undefined) reached.add(code.specifier);
    }
  }
  const found = (pattern: RegExp) =>
    new Set([...reached].flatMap((one) => pattern.exec(one)?.[1] ?? []));
  return {
    modules: found(/\/(src\/.*)$/),
    packages: found(/^npm:\/?((?:@[^/]+\/)?[^@/]+)/),
  };
}

Deno.test("the thread that runs etcd loads nothing that speaks with it", async () => {
  const store = await reachedFrom("src/agent/parts/store_worker.ts");
  ok(store.packages.has("@grpc/grpc-js"), "packages are not seen");
  const member = await reachedFrom("src/agent/parts/member_worker.ts");
  ok(member.modules.has("src/agent/parts/serve_member.ts"));
  expectWithout(member, { names: HEAVY, rooms: ["election"] });
});
