import { deepStrictEqual, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { WORKERS } from "../scripts/bundle_agent.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Each room may import itself and those after it. */
const ROOMS = ["cli", "agent", "election", "store", "etcd", "cluster", "base"];

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

/** Where the threads of the product begin. */
const ENTRIES = [
  "main.ts",
  ...WORKERS.map((name) => `src/agent/${name}.ts`),
];

/** The modules that the product reaches, dynamic imports included; each once. */
async function productModules(): Promise<Module[]> {
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

function roomOf(specifier: string): string | undefined {
  return /\/src\/([a-z]+)\//.exec(specifier)?.[1];
}

/** The imports that go from a room to one on its left, as `from → to`. */
function wrongImports(modules: readonly Module[]): string[] {
  return modules.flatMap(({ specifier, dependencies = [] }) =>
    dependencies.flatMap(({ code, type }) => {
      const target = code?.specifier ?? type?.specifier ?? "";
      const [from, to] = [roomOf(specifier), roomOf(target)];
      if (from === undefined || to === undefined) return [];
      return ROOMS.indexOf(to) < ROOMS.indexOf(from)
        ? [`${specifier.slice(specifier.indexOf("/src/") + 5)} → ${to}`]
        : [];
    })
  );
}

Deno.test("rooms import only themselves and rooms to their right", async () => {
  const modules = await productModules();
  const rooms = new Set(modules.map(({ specifier }) => roomOf(specifier)));
  for (const room of ROOMS) ok(rooms.has(room), `no module in room ${room}`);
  deepStrictEqual(wrongImports(modules), []);
});

Deno.test("wrongImports() sees a planted import from the base room to the left", () => {
  const planted = [{
    specifier: "file:///x/src/base/clock.ts",
    dependencies: [{
      specifier: "../cli/cli.ts",
      code: { specifier: "file:///x/src/cli/cli.ts" },
    }],
  }];
  deepStrictEqual(wrongImports(planted), ["base/clock.ts → cli"]);
});

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
    specifier.includes("/tests/") || specifier.endsWith("_test.ts")
  );
  deepStrictEqual(tests, []);
});

Deno.test("only base/log.ts knows LogTape, only main.ts exits or reads arguments", async () => {
  const offenders: string[] = [];
  for (const { specifier } of await productModules()) {
    const text = await Deno.readTextFile(new URL(specifier));
    const file = specifier.slice(`file://${ROOT}`.length);
    if (/from "@logtape/.test(text) && file !== "src/base/log.ts") {
      offenders.push(`${file} imports LogTape`);
    }
    if (/\bDeno\.(exit|args)\b/.test(text) && file !== "main.ts") {
      offenders.push(`${file} uses Deno.exit or Deno.args`);
    }
  }
  deepStrictEqual(offenders, []);
});
