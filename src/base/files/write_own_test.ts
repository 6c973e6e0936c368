import { rejects, strictEqual } from "node:assert/strict";
import { tempDir } from "../../../tests/machine/temp_dir.ts";
import { writeOwn } from "./write_own.ts";

Deno.test("writeOwn() makes a file that only its owner can read", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/file`;

  await writeOwn(path, "first");
  await writeOwn(path, "second");

  strictEqual(await Deno.readTextFile(path), "second");
  strictEqual(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
});

Deno.test("writeOwn() leaves nothing behind when it fails", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/taken`;
  await Deno.mkdir(`${path}/not-empty`, { recursive: true });

  await rejects(writeOwn(path, "text"));

  const names = (await Array.fromAsync(Deno.readDir(dir.path)))
    .map(({ name }) => name);
  strictEqual(names.join(), "taken");
});
