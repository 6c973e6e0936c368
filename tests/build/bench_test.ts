import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { tempDir } from "../machine/temp_dir.ts";
import { outputOf } from "../machine/command_output.ts";

const BENCH = fileURLToPath(new URL("../../bench/bench.ts", import.meta.url));

/** Runs the bench and returns its exit code, with what it says if that is not 0. */
async function runBench(...args: string[]) {
  const { code, stdout, stderr } = await outputOf(
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--frozen", BENCH, ...args],
      stdin: "null",
    }),
  );
  return { code, said: stdout + stderr };
}

Deno.test("the bench measures everything, and shows it again from what it wrote", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/report.json`;
  const { code, said } = await runBench("--quick", `--json=${file}`);
  strictEqual(code, 0, said);

  const { quick, measurements } = JSON.parse(await Deno.readTextFile(file));
  strictEqual(quick, true);
  for (const { name, rows } of measurements) {
    ok(rows.length > 0, name);
    for (const { what, peer, figures } of rows) {
      for (const [figure, numbers] of Object.entries(figures)) {
        ok((numbers as number[]).length > 0, `${what} ${peer} ${figure}`);
      }
    }
  }
  const again = await runBench(`--from=${file}`);
  strictEqual(again.code, 0, again.said);
  ok(said.includes(again.said.trim()));
});

Deno.test("the bench refuses what it does not know", async () => {
  deepStrictEqual(
    [await runBench("--only=nothing"), await runBench("--rounds=0")]
      .map(({ code }) => code),
    [2, 2],
  );
});
