/**
 * Makes the archives of a release in `dist/release`, with `SHA256SUMS`;
 * `deno task release`.
 *
 * What cannot be had here is left out, and said. With `--all` that is an error;
 * `--form compiled` or `portable` asks for one form.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { create } from "tar";
import { KatError, messageOf } from "../src/base/errors.ts";
import { VERSION } from "../src/base/version.ts";
import { buildAgent, isWantedForm } from "./build_agent.ts";
import { type Form, ROOT } from "./bundle_agent.ts";
import { type Target, TARGETS } from "./targets.ts";

/** What stands beside the program in an archive. */
const BESIDE = ["LICENSE", "README.md", "examples/cluster.kat"];
/** The same for every build, so that the same files make the same archive. */
const PACKED_AT = new Date("2000-01-01T00:00:00Z");
const RELEASE = join(ROOT, "dist", "release");

if (import.meta.main) Deno.exitCode = await main();

async function main(): Promise<number> {
  let all: boolean;
  let form: string;
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: {
        all: { type: "boolean", default: false },
        form: { type: "string", default: "any" },
      },
    });
    ({ all, form } = values);
  } catch (error) {
    say(messageOf(error));
    return 2;
  }
  if (!isWantedForm(form)) {
    say(`There is no form "${form}"`);
    return 2;
  }
  await Deno.remove(RELEASE, { recursive: true }).catch(() => {});
  await Deno.mkdir(RELEASE, { recursive: true });
  const sums: string[] = [];
  const leftOut: string[] = [];
  for (const target of TARGETS) {
    try {
      sums.push(await archive(target, form));
    } catch (error) {
      if (!(error instanceof KatError)) throw error;
      leftOut.push(target.name);
      say(`Left out ${target.name}: ${error.message}`);
    }
  }
  await Deno.writeTextFile(join(RELEASE, "SHA256SUMS"), sums.join(""));
  say(
    leftOut.length === 0
      ? `Made all ${sums.length} archives in ${RELEASE}`
      : `Made ${sums.length} archives in ${RELEASE}, without ${
        leftOut.join(", ")
      }`,
  );
  return sums.length === 0 || (all && leftOut.length > 0) ? 1 : 0;
}

/** Makes one archive and returns its line for `SHA256SUMS`. */
async function archive(target: Target, wanted: Form | "any"): Promise<string> {
  const name = `kat-agent-${VERSION}-${target.name}`;
  const work = await Deno.makeTempDir({ prefix: "kat-release-" });
  try {
    const top = join(work, name);
    const form = await buildAgent(join(top, "kat-agent"), {
      wanted,
      target,
      say,
    });
    await Deno.mkdir(join(top, "examples"));
    for (const file of BESIDE) {
      await Deno.copyFile(join(ROOT, file), join(top, file));
    }
    const file = join(RELEASE, `${name}.tar.gz`);
    await create(
      { cwd: work, file, gzip: true, portable: true, mtime: PACKED_AT },
      [name],
    );
    const bytes = await Deno.readFile(file);
    say(`${name}.tar.gz: ${form} form, ${(bytes.length / 1e6).toFixed(1)} MB`);
    const sum = createHash("sha256").update(bytes).digest("hex");
    return `${sum}  ${name}.tar.gz\n`;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));
}
