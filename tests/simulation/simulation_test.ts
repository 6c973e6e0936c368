import { match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type Mutation, MUTATIONS } from "./mutations.ts";
import { copyTree } from "../machine/copy_tree.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { outputOf } from "../machine/command_output.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Runs the simulation of a checkout; what it says, and how it ends. */
async function simulate(
  root: string,
  args: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> {
  const { code, stdout, stderr } = await outputOf(
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--frozen",
        "--no-check",
        `--config=${root}/deno.json`,
        `${root}/tests/simulation/simulate.ts`,
        ...args,
      ],
      cwd: root,
      env: { NO_COLOR: "1" },
    }),
  );
  return { code, text: stdout + stderr };
}

/** A sum that the simulation printed. */
function sum(text: string, name: string): number {
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}

Deno.test("The election and its watches keep their promises in 100,000 random interleavings", async () => {
  const { code, text } = await simulate(ROOT, []);

  strictEqual(code, 0, text);
  // The figures belong to the proof: an empty world keeps every promise.
  // deno-lint-ignore no-console -- the seed, to run it again
  console.log(text);
  strictEqual(
    sum(text, "interleavings: election") + sum(text, "interleavings: watch"),
    100_000,
  );
  for (
    const name of [
      "terms won",
      "stale writes refused",
      "guarded writes accepted",
      "watch events",
      "watch streams",
      "compactions met",
      "term ended: its election key is gone",
      "term ended: its lease could not be renewed in time",
      "term ended: the machine was suspended",
      "term ended: Resigned leadership",
    ]
  ) ok(sum(text, name) > 500, `${name}: ${sum(text, name)}`);
  const faults = text.split("\n").filter((line) => line.startsWith("fault: "));
  ok(faults.length >= 20, text);
});

Deno.test("simulate --seed repeats the same steps", async () => {
  for (const seed of ["2025", "2026"]) {
    const first = await simulate(ROOT, ["--seed", seed]);
    const second = await simulate(ROOT, ["--seed", seed]);

    strictEqual(first.code, 0, first.text);
    strictEqual(first.text, second.text);
    ok(first.text.split("\n").length > 5, first.text);
  }
  notStrictEqual(
    (await simulate(ROOT, ["--seed", "1"])).text,
    (await simulate(ROOT, ["--seed", "2"])).text,
  );
});

/** Copies what the simulation needs, with one mistake in it. */
async function plant(
  { file, text, wrong }: Mutation,
  { into }: { readonly into: string },
): Promise<void> {
  await Deno.mkdir(`${into}/tests`);
  for (const name of ["src", "tests/simulation"]) {
    await copyTree(`${ROOT}${name}`, `${into}/${name}`);
  }
  for (const name of ["deno.json", "deno.lock"]) {
    await Deno.copyFile(`${ROOT}${name}`, `${into}/${name}`);
  }
  const path = `${into}/src/${file}`;
  const parts = (await Deno.readTextFile(path)).split(text);
  strictEqual(parts.length, 2, `${file} holds this not once: ${text}`);
  await Deno.writeTextFile(path, parts.join(wrong));
}

for (const mutation of MUTATIONS) {
  Deno.test(`simulate finds ${mutation.name}, and shows it again by its seed`, async () => {
    await using dir = await tempDir();
    await plant(mutation, { into: dir.path });

    const { code, text } = await simulate(dir.path, ["--first", "1"]);

    strictEqual(code, 1, text);
    match(text, /^BROKEN: /m);
    const [, seed = "", promise = ""] = [
      ...text.match(/--seed (\d+)/) ?? [],
      ...text.match(/^BROKEN: (.*)$/m) ?? [],
    ].filter((_, index) => index !== 2);
    const again = await simulate(dir.path, ["--seed", seed]);
    strictEqual(again.code, 1, again.text);
    ok(again.text.includes(`VIOLATION: ${promise}`), again.text);
  });
}
