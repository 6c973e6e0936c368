import { rejects, strictEqual } from "node:assert/strict";
import { lockCache } from "../../../src/etcd/release/cache_lock.ts";
import { outputOf } from "../../machine/command_output.ts";
import { OTHER_USER, scene, whyNoOtherUser } from "./other_user.ts";

const ignore = whyNoOtherUser !== undefined;

/** Whether the other user can hold the lock. */
async function canLock(path: string): Promise<boolean> {
  const user = `${OTHER_USER}`;
  const { code } = await outputOf(
    new Deno.Command("/usr/bin/setpriv", {
      args: [
        ...[`--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--"],
        ...["flock", "--exclusive", "--nonblock", path, "true"],
      ],
      stdin: "null",
    }),
  );
  return code === 0;
}

Deno.test(
  "another user cannot keep root from fetching etcd by the cache's lock",
  {
    ignore,
  },
  async () => {
    await using at = await scene();
    const path = `${at.path}/.lock`;
    for (const mode of [undefined, 0o644]) {
      // As version 0.1.0 left it.
      if (mode !== undefined) await Deno.chmod(path, mode);
      using _lock = await lockCache(path);
      strictEqual(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    }
    strictEqual(await canLock(path), false);

    // The lock itself still holds: another agent waits.
    using _lock = await lockCache(path);
    const signal = AbortSignal.timeout(300);
    await rejects(lockCache(path, { signal }), { name: "TimeoutError" });
  },
);
