/**
 * Runs `deno doc --lint` on every module of the product: every export says
 * what it is for.
 *
 * Of its rules `private-type-ref` is left out: it also means the types of
 * packages, and those cannot be exported from here.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { filesIn } from "./files_in.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const modules = (await Array.fromAsync(filesIn(`${ROOT}src`)))
  .filter((path) => path.endsWith(".ts") && !path.endsWith("_test.ts"))
  .sort();
const { code, stderr } = await new Deno.Command(Deno.execPath(), {
  args: ["doc", "--lint", ...modules],
  cwd: ROOT,
  env: { NO_COLOR: "1" },
  stdin: "null",
}).output();
const said = new TextDecoder().decode(stderr);
const findings = said.split(/^(?=error)/m)
  .filter((finding) => /^error\[(?!private-type-ref)/.test(finding));
const broken = code !== 0 && !/^error\[/m.test(said);
await Deno.stderr.write(
  new TextEncoder().encode(broken ? said : findings.join("")),
);
Deno.exitCode = broken || findings.length > 0 ? 1 : 0;
