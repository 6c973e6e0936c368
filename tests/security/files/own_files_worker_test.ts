import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { SandboxedWorker } from "../../../src/base/worker/sandboxed_worker.ts";
import { tempDir } from "../../machine/temp_dir.ts";
import type { OwnFilesMethods } from "../../programs/own_files_worker.ts";

Deno.test("a thread with the right to its directory alone works with own files in it, and follows no link out of it", async () => {
  await using dir = await tempDir();
  const data = `${dir.path}/data`;
  await Deno.mkdir(data, { mode: 0o700 });
  await Deno.writeTextFile(`${dir.path}/secret`, "secret");
  using worker = SandboxedWorker.start<OwnFilesMethods>({
    module: new URL("../../programs/own_files_worker.ts", import.meta.url),
    // As the thread that has files: those are believed that are this user's.
    permissions: { read: [data], write: [data], sys: ["uid"] },
  });

  deepStrictEqual(await worker.remote.work(data), ["log", "one two three"]);

  await Deno.symlink(`${dir.path}/secret`, `${data}/link`);
  await Deno.symlink(dir.path, `${data}/up`);
  await Deno.chmod(`${data}/log`, 0o666);
  const read = (path: string) => worker.remote.read({ within: data, path });
  match(
    await read(`${data}/link`),
    /link": it is not a regular file, but a symbolic link/,
  );
  match(await read(`${data}/up/secret`), /up": it is a symbolic link/);
  match(await read(`${data}/log`), /other users may write to it/);
  match(await read(`${dir.path}/secret`), /is not below|belongs|access/);
  strictEqual(await Deno.readTextFile(`${dir.path}/secret`), "secret");
});
