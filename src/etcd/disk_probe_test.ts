import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { tempDir } from "../../tests/machine/temp_dir.ts";
import { probeDisk, summarize } from "./disk_probe.ts";

Deno.test("summarize() takes the third worst of 200 writes for their p99", () => {
  const times = Array.from({ length: 200 }, (_, index) => index + 1);

  deepStrictEqual(summarize(times.toReversed()), { p99Ms: 198, writes: 200 });
  deepStrictEqual(summarize([5, 1, 4, 2, 3]), { p99Ms: 5, writes: 5 });
  strictEqual(summarize([1, 2, 3, 4]), undefined);
});

Deno.test("probeDisk() measures and leaves nothing behind", async () => {
  await using dir = await tempDir();

  const probe = await probeDisk(dir.path, { writes: 20, withinMs: 20_000 });

  strictEqual(probe?.writes, 20);
  ok(probe.p99Ms > 0);
  deepStrictEqual(await Array.fromAsync(Deno.readDir(dir.path)), []);
});

Deno.test("probeDisk() stops when its time is over", async () => {
  await using dir = await tempDir();
  const startMs = performance.now();

  await probeDisk(dir.path, { writes: 1e9, withinMs: 50 });

  ok(performance.now() - startMs < 10_000);
});

Deno.test("probeDisk() says nothing when it is ended, or cannot write", async () => {
  await using dir = await tempDir();
  const signal = AbortSignal.abort();

  strictEqual(await probeDisk(dir.path, { signal }), undefined);
  strictEqual(await probeDisk(`${dir.path}/absent`), undefined);
  deepStrictEqual(await Array.fromAsync(Deno.readDir(dir.path)), []);
});
