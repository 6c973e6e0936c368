import { strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { V8_FLAGS } from "../../scripts/bundle_agent.ts";
import { settleMemory } from "./settle_memory.ts";

const PROGRAM = fileURLToPath(
  new URL("../../tests/programs/forgetful.ts", import.meta.url),
);

Deno.test("settleMemory() has the garbage of a start collected, with the flags of the product, and keeps no program alive", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", `--v8-flags=${V8_FLAGS}`, PROGRAM],
    stderr: "inherit",
    signal: AbortSignal.timeout(60_000),
  }).output();
  strictEqual(new TextDecoder().decode(stdout), "collected\n");
  strictEqual(code, 0);
});

Deno.test("settleMemory() leaves no timer behind once it is disposed", () => {
  const scope = globalThis as { gc?: unknown };
  scope.gc = () => {};
  try {
    using _memory = settleMemory();
  } finally {
    delete scope.gc;
  }
});

Deno.test("settleMemory() does nothing where V8 was not told to let it", () => {
  strictEqual((globalThis as { gc?: unknown }).gc, undefined);
  // A timer that it left would fail this test.
  settleMemory();
});
