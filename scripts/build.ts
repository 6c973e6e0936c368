/**
 * Makes `dist/kat-agent`, the one file; `deno task build`.
 *
 * `--form compiled` or `portable` asks for one form, `--output FILE` for
 * another place.
 *
 * @module
 */

import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { KatError, messageOf } from "../src/base/errors.ts";
import { buildAgent, isWantedForm } from "./build_agent.ts";
import { ROOT } from "./bundle_agent.ts";
import { thisTarget } from "./targets.ts";

if (import.meta.main) Deno.exitCode = await main();

async function main(): Promise<number> {
  const started = performance.now();
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: {
        form: { type: "string", default: "any" },
        output: { type: "string", default: join(ROOT, "dist", "kat-agent") },
      },
    });
    const target = thisTarget();
    if (target === undefined) {
      throw new KatError(`Cannot build for ${Deno.build.target}`);
    }
    if (!isWantedForm(values.form)) {
      throw new KatError(`There is no form "${values.form}"`);
    }
    const output = resolve(values.output);
    const form = await buildAgent(output, { wanted: values.form, target, say });
    const { size } = await Deno.stat(output);
    say(
      `${output}: ${form} form, ${(size / 1e6).toFixed(1)} MB, made in ${
        ((performance.now() - started) / 1000).toFixed(1)
      } s`,
    );
    return 0;
  } catch (error) {
    if (!(error instanceof KatError || error instanceof TypeError)) throw error;
    say(`Cannot build kat-agent: ${messageOf(error)}`);
    return 1;
  }
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));
}
