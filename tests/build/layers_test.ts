import { deepStrictEqual, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { WORKERS } from "../../scripts/bundle_agent.ts";
import { filesIn } from "../../scripts/files_in.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Rooms side by side do not import each other; each may import those after it. */
type Levels = readonly (readonly string[])[];

/** From left to right. */
const ROOMS: Levels = [
  ["cli"],
  ["agent"],
  ["cluster", "election"],
  ["store"],
  ["etcd"],
  ["config"],
  ["base"],
];

/** The walls inside a room; `.` is the room's own folder. */
const WALLS: Readonly<Record<string, Levels>> = {
  agent: [["node"], ["parts"], ["identity", "health"], ["."]],
  store: [["etcd", "memory"], ["leadership", "batching"], ["."]],
  etcd: [["process"], ["release", "client", "data"], ["."]],
  base: [["worker", "logging"], ["systemd", "files"], ["."]],
};

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

const { exports } = JSON.parse(
  await Deno.readTextFile(`${ROOT}deno.json`),
) as { readonly exports: Readonly<Record<string, string>> };

/** Where the threads of the product begin, and what the package offers. */
const ENTRIES = [
  "main.ts",
  ...Object.values(exports),
  ...WORKERS.map((name) => `src/agent/parts/${name}.ts`),
];

let found: Promise<Module[]> | undefined;

/** The modules that the product reaches, dynamic imports included; each once. */
function productModules(): Promise<Module[]> {
  return found ??= findModules();
}

async function findModules(): Promise<Module[]> {
  const modules = (await Promise.all(ENTRIES.map(modulesOf))).flat();
  return [...new Map(modules.map((one) => [one.specifier, one])).values()];
}

async function modulesOf(entry: string): Promise<Module[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", `--config=${ROOT}deno.json`, `${ROOT}${entry}`],
    env: { NO_COLOR: "1" },
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout));
  return modules.filter(({ specifier }: Module) =>
    specifier.startsWith("file:")
  );
}

/** The room of a module, and its sub-room: `.` for none. */
interface Place {
  readonly room: string;
  readonly part: string;
}

function placeOf(specifier: string): Place | undefined {
  const [, room, part = "."] =
    /\/src\/([a-z]+)\/(?:([a-z]+)\/)?[^/]+$/.exec(specifier) ?? [];
  return room === undefined ? undefined : { room, part };
}

/** Whether a line goes from left to right; places that no level names are wrong. */
function mayImport(levels: Levels, from: string, to: string): boolean {
  const levelOf = (name: string) =>
    levels.findIndex((level) => level.includes(name));
  if (levelOf(from) < 0 || levelOf(to) < 0) return false;
  return from === to || levelOf(from) < levelOf(to);
}

function isAllowed(from: Place, to: Place): boolean {
  return from.room === to.room
    ? mayImport(WALLS[from.room] ?? [["."]], from.part, to.part)
    : mayImport(ROOMS, from.room, to.room);
}

/** The imports through a wall, as `from → to`. */
function wrongImports(modules: readonly Module[]): string[] {
  const short = (specifier: string) =>
    specifier.slice(specifier.indexOf("/src/") + 5);
  return modules.flatMap(({ specifier, dependencies = [] }) =>
    dependencies.flatMap(({ code, type }) => {
      const target = code?.specifier ?? type?.specifier ?? "";
      const [from, to] = [placeOf(specifier), placeOf(target)];
      if (from === undefined || to === undefined) return [];
      return isAllowed(from, to)
        ? []
        : [`${short(specifier)} → ${short(target)}`];
    })
  );
}

Deno.test("rooms and sub-rooms import only themselves and those to their right", async () => {
  const modules = await productModules();
  const places = modules.map(({ specifier }) => placeOf(specifier));
  for (const room of ROOMS.flat()) {
    ok(places.some((place) => place?.room === room), `nothing in ${room}`);
    for (const part of (WALLS[room] ?? []).flat()) {
      ok(
        places.some((place) => place?.room === room && place.part === part),
        `nothing in ${room}/${part}`,
      );
    }
  }
  deepStrictEqual(wrongImports(modules), []);
});

Deno.test("every file of the source is reached from where a thread begins", async () => {
  const reached = new Set(
    (await productModules()).map(({ specifier }) => fileURLToPath(specifier)),
  );
  const unreached: string[] = [];
  for await (const path of filesIn(`${ROOT}src`)) {
    if (!/_test\.ts$/.test(path) && !reached.has(path)) {
      unreached.push(path.slice(ROOT.length));
    }
  }
  deepStrictEqual(unreached, []);
});

for (
  const [from, to] of [
    ["base/clock.ts", "cli/cli.ts"],
    ["cluster/cluster_record.ts", "election/election.ts"],
    ["etcd/client/etcd_client.ts", "etcd/process/etcd_process.ts"],
    ["etcd/client/etcd_client.ts", "etcd/data/etcd_data_dir.ts"],
    ["store/state_store.ts", "store/memory/memory_store.ts"],
    ["store/memory/memory_store.ts", "store/unnamed/new.ts"],
  ] as const
) {
  Deno.test(`wrongImports() sees a planted import from ${from} to ${to}`, () => {
    const planted = [{
      specifier: `file:///x/src/${from}`,
      dependencies: [{
        specifier: "planted",
        code: { specifier: `file:///x/src/${to}` },
      }],
    }];

    deepStrictEqual(wrongImports(planted), [`${from} → ${to}`]);
  });
}

Deno.test("the product imports no test and no package that deno.json does not pin", async () => {
  const { imports } = JSON.parse(
    await Deno.readTextFile(`${ROOT}deno.json`),
  ) as { imports: Record<string, string> };
  const foreign = (await productModules()).flatMap(({
    specifier,
    dependencies = [],
  }) =>
    dependencies
      .map((dependency) => dependency.specifier)
      .filter((name) =>
        !/^(\.{1,2}\/|node:)/.test(name) &&
        !Object.keys(imports).some((pinned) =>
          name === pinned || name.startsWith(`${pinned.replace(/\/$/, "")}/`)
        )
      )
      .map((name) => `${specifier} imports ${name}`)
  );
  deepStrictEqual(foreign, []);
  const tests = (await productModules()).filter(({ specifier }) =>
    specifier.startsWith(`file://${ROOT}tests/`) ||
    specifier.endsWith("_test.ts")
  );
  deepStrictEqual(tests, []);
});

Deno.test("only base's log knows LogTape, only main.ts exits or reads arguments", async () => {
  const offenders: string[] = [];
  const isLog = (file: string) =>
    file === "src/base/log.ts" || file.startsWith("src/base/logging/");
  for (const { specifier } of await productModules()) {
    const text = await Deno.readTextFile(new URL(specifier));
    const file = specifier.slice(`file://${ROOT}`.length);
    if (/from "@logtape/.test(text) && !isLog(file)) {
      offenders.push(`${file} imports LogTape`);
    }
    if (/\bDeno\.(exit|args)\b/.test(text) && file !== "main.ts") {
      offenders.push(`${file} uses Deno.exit or Deno.args`);
    }
  }
  deepStrictEqual(offenders, []);
});

/**
 * What opens or changes files besides `base/files`, and why it may: each use by
 * its name.
 */
const FILE_USES: Readonly<Record<string, readonly string[]>> = {
  // Any file that the user names, which may be anybody's.
  "src/config/read_cluster_config.ts": ["constants", "open", "stat"],
  // A program that the user names, or finds on PATH.
  "src/etcd/release/etcd_binaries.ts": ["Deno.stat"],
  "src/etcd/release/program_file.ts": ["Deno.open", "Deno.stat"],
  "src/etcd/data/writable_dir.ts": ["statfs"],
  "src/base/disk_space.ts": ["statfs"],
  // Whether systemd runs, and who may read the files of a service.
  "src/cli/install_unit.ts": ["Deno.lstat", "Deno.stat"],
  // Of the program's own output.
  "src/base/systemd/journal.ts": ["fstatSync"],
};

/** The uses of the file system in a module's text: `Deno.open`, and what it imports of `node:fs`. */
function fileUses(text: string): string[] {
  const ways =
    /^(?:open|read|write|mkdir|make|remove|rename|l?stat|chmod|chown|truncate|copy|real|symlink|link|create(?!HttpClient)|utime|watch)/;
  const imports =
    /import\s+(?:type\s+)?(\{[^}]*\}|[^;{]*?)\s*from\s*"(?:node:)?fs(?:\/promises)?"/g;
  const namesIn = (list = "") =>
    list.replace(/[{}]/g, "").split(",").map((name) => name.trim())
      .filter((name) => name !== "" && !name.startsWith("type "));
  const denos = [
    ...[...text.matchAll(/\bDeno\s*\.\s*([A-Za-z]+)/g)].map(([, name = ""]) =>
      name
    ),
    ...[...text.matchAll(/(\{[^{}]*\})\s*=\s*Deno\b\s*[^.\s]/g)]
      .flatMap(([, names]) => namesIn(names)),
  ].filter((name) => ways.test(name)).map((name) => `Deno.${name}`);
  const nodes = [...text.matchAll(imports)]
    .flatMap(([, names]) => namesIn(names));
  const hidden =
    /\bDeno\s*\[|[\w)]\s*=\s*Deno\s*[;,)]|import\(\s*"(?:node:)?fs/.test(text)
      ? ["hidden"]
      : [];
  return [...new Set([...denos, ...nodes, ...hidden])].sort();
}

Deno.test("only base/files opens, makes and replaces files", async () => {
  const found: Record<string, readonly string[]> = {};
  for (const { specifier } of await productModules()) {
    const file = specifier.slice(`file://${ROOT}`.length);
    if (file.startsWith("src/base/files/")) continue;
    const uses = fileUses(await Deno.readTextFile(new URL(specifier)));
    if (uses.length > 0) found[file] = uses;
  }
  deepStrictEqual(found, FILE_USES);
});

for (
  const [text, uses] of [
    ["await Deno.readTextFile(path)", ["Deno.readTextFile"]],
    ["Deno.removeSync(path); Deno\n  .lstat(path)", [
      "Deno.lstat",
      "Deno.removeSync",
    ]],
    ['import { open, type FileHandle } from "node:fs/promises";', ["open"]],
    ['import * as fs from "node:fs";', ["* as fs"]],
    ['const { open } = await import("fs");', ["hidden"]],
    ["const { open, uid } = Deno;", ["Deno.open"]],
    ["const system = Deno;", ["hidden"]],
    ['Deno["open"](path)', ["hidden"]],
    ["using file: Deno.FsFile = await openOwn(path)", []],
  ] as const
) {
  Deno.test(`fileUses() sees what is planted: ${text}`, () => {
    deepStrictEqual(fileUses(text), uses);
  });
}
