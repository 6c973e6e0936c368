import { match, ok, strictEqual } from "node:assert/strict";
import {
  type BuiltFile,
  builtFile,
  runBare,
} from "../../machine/built_file.ts";
import type { Swaps } from "../../programs/swap_names.ts";
import {
  giveAway,
  OTHER_USER,
  scene,
  startProgram,
  whyNoOtherUser,
} from "./other_user.ts";

const ignore = whyNoOtherUser !== undefined;
/** A member of the group of the user who starts the built file. */
const MEMBER = OTHER_USER - 1;
const STARTS = 40;
let built: BuiltFile;

Deno.test.beforeAll(async () => {
  if (!ignore) built = await builtFile();
});
Deno.test.afterAll(async () => {
  if (!ignore) await built[Symbol.asyncDispose]();
});

/** Makes what the built file unpacked, once more, as the member's, with a program of theirs. */
async function plant(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    await Deno.mkdir(`${to}/${name}`);
    await Deno.writeTextFile(
      `${to}/${name}/kat-agent`,
      "#!/bin/sh\necho planted\n",
    );
    await Deno.chmod(`${to}/${name}/kat-agent`, 0o755);
    for (const path of [to, `${to}/${name}`, `${to}/${name}/kat-agent`]) {
      await Deno.chown(path, MEMBER, OTHER_USER);
    }
  }
}

Deno.test(
  "the built file runs nothing below a directory that the user's own group may write to",
  {
    ignore,
  },
  async () => {
    if (built.form === "compiled") return;
    await using at = await scene();
    const shared = `${at.theirs}/shared`;
    await Deno.mkdir(shared);
    await giveAway(at.theirs);
    await Deno.chmod(shared, 0o775);
    const env = { KAT_CACHE_DIR: `${shared}/cache`, TMPDIR: "/dev/null" };

    const { code, stdout, stderr } = await runBare(built.path, ["version"], {
      env,
      cwd: "/",
    });

    strictEqual(stdout, "");
    match(stderr, /^kat-agent: Cannot unpack: .*\n.*others may write to it/);
    strictEqual(code, 1);
  },
);

Deno.test(
  `a member of the user's group exchanges nothing in ${STARTS} starts of the built file`,
  {
    ignore,
  },
  async () => {
    if (built.form === "compiled") return;
    await using at = await scene();
    const shared = `${at.theirs}/shared`;
    await Deno.mkdir(shared);
    await giveAway(at.theirs);
    const env = { KAT_CACHE_DIR: `${shared}/cache`, TMPDIR: "/dev/null" };
    const start = () => runBare(built.path, ["version"], { env, cwd: "/" });
    // A start before the group could write.
    const first = await start();
    strictEqual(first.code, 0, first.stderr);
    await Deno.chmod(shared, 0o775);
    await plant(`${shared}/cache`, `${shared}/planted`);
    const task: Swaps = {
      kind: "exchange",
      name: `${shared}/cache`,
      secret: `${shared}/planted`,
    };
    await using _attacker = await startProgram("swap_names.ts", {
      task,
      dir: at.path,
      uid: MEMBER,
    });

    for (let round = 1; round <= STARTS; round += 1) {
      const { stdout } = await start();
      ok(
        !stdout.includes("planted"),
        `the member's program ran in start ${round}`,
      );
    }
  },
);
