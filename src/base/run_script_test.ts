import { rejects, strictEqual, throws } from "node:assert/strict";
import { runScript, runScriptSync } from "./run_script.ts";

Deno.test("runScript() hands over arguments as they are, and returns what is printed", async () => {
  const script = `printf '<%s>' "$1" "$2"; exit 1`;

  strictEqual(await runScript(script, "a b", "$(c)"), "<a b><$(c)>");
  strictEqual(runScriptSync(script, "a b", "$(c)"), "<a b><$(c)>");
});

Deno.test("runScript() throws instead of printing nothing when a program is missing", async () => {
  const script = "no-such-program-anywhere";

  await rejects(runScript(script), /A standard program is missing/);
  throws(() => runScriptSync(script), /A standard program is missing/);
});
