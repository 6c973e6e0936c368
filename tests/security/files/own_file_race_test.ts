import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { RaceCounts, RaceTask } from "../../programs/race_own_files.ts";
import type { Swaps } from "../../programs/swap_names.ts";
import {
  OTHER_USER,
  scene,
  startProgram,
  whyNoOtherUser,
} from "./other_user.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const ROUNDS = 10_000;
const FILES = [
  "append",
  "empty",
  "create",
  "child",
  "replace",
  "read",
] as const;

/** Tries an operation with the permissions of the product. */
async function race(task: Omit<RaceTask, "rounds">): Promise<RaceCounts> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--frozen", "--no-prompt", "-P=agent"],
      `--config=${ROOT}deno.json`,
      `${ROOT}tests/programs/race_own_files.ts`,
      JSON.stringify({ ...task, rounds: ROUNDS } satisfies RaceTask),
    ],
  }).output();
  const text = new TextDecoder();
  strictEqual(code, 0, text.decode(stderr));
  return JSON.parse(text.decode(stdout));
}

async function plantSecret(directory: string): Promise<string> {
  await Deno.mkdir(directory);
  await Deno.writeTextFile(`${directory}/secret`, "secret");
  return `${directory}/secret`;
}

async function assertUntouched(directory: string): Promise<void> {
  strictEqual(await Deno.readTextFile(`${directory}/secret`), "secret");
  deepStrictEqual(
    (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name),
    ["secret"],
  );
}

for (const operation of FILES) {
  Deno.test(
    `${operation}: no file outside is touched in ${ROUNDS} rounds against the same user`,
    {
      ignore: whyNoOtherUser !== undefined,
    },
    async () => {
      await using at = await scene();
      const data = `${at.path}/data`;
      await Deno.mkdir(data, { mode: 0o700 });
      const secret = await plantSecret(`${at.path}/outside`);
      const task: Swaps = { kind: "file", name: `${data}/file`, secret };
      let counts: RaceCounts;
      {
        await using _attacker = await startProgram("swap_names.ts", { task });
        counts = await race({ operation, path: `${data}/file` });
      }
      await assertUntouched(`${at.path}/outside`);
      const { done, refused, failed } = counts;
      strictEqual(done + refused + failed, ROUNDS);
      // Both have happened, or there was no race.
      ok(done > 0, JSON.stringify(counts));
      ok(
        refused + failed > 0 || operation === "replace",
        JSON.stringify(counts),
      );
    },
  );

  Deno.test(
    `${operation}: all of ${ROUNDS} rounds are refused in a directory of another user`,
    {
      ignore: whyNoOtherUser !== undefined,
    },
    async () => {
      await using at = await scene();
      const secret = await plantSecret(`${at.path}/outside`);
      const name = `${at.theirs}/file`;
      const task: Swaps = { kind: "file", name, secret };
      let counts: RaceCounts;
      {
        await using _attacker = await startProgram("swap_names.ts", {
          task,
          dir: at.path,
        });
        counts = await race({ operation, path: name });
      }
      await assertUntouched(`${at.path}/outside`);
      deepStrictEqual(counts, { done: 0, refused: ROUNDS, failed: 0 });
    },
  );
}

for (const operation of ["directory", "handOver"] as const) {
  Deno.test(
    `${operation}: what is made in a sticky directory is this user's in ${ROUNDS} rounds against another`,
    {
      ignore: whyNoOtherUser !== undefined,
    },
    async () => {
      await using at = await scene();
      const shared = `${at.path}/shared`;
      await Deno.mkdir(shared);
      await Deno.chmod(shared, 0o1777);
      await plantSecret(`${at.path}/outside`);
      const name = `${shared}/kat`;
      const task: Swaps = {
        kind: "directory",
        name,
        secret: `${at.path}/outside`,
      };
      let counts: RaceCounts;
      {
        await using _attacker = await startProgram("swap_names.ts", {
          task,
          dir: at.path,
        });
        counts = await race({ operation, path: name });
      }
      await assertUntouched(`${at.path}/outside`);
      strictEqual((await Deno.stat(`${at.path}/outside`)).uid, 0);
      const { done, refused, failed } = counts;
      strictEqual(done + refused + failed, ROUNDS);
      ok(done > 0 && refused > 0, JSON.stringify(counts));
      strictEqual((await Deno.stat(at.theirs)).uid, OTHER_USER);
    },
  );
}
