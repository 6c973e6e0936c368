import { ok, strictEqual } from "node:assert/strict";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import { ThreadError } from "../../base/worker/thread_error.ts";
import { PartsWatch } from "./watch_parts.ts";

function setUp() {
  const clock = new FakeClock();
  const part = {
    name: "store",
    ready: Promise.resolve(),
    isTurning: true,
    responds: () => Promise.resolve(part.isTurning),
  };
  const watch = new PartsWatch(clock);
  watch.add(part);
  return { clock, part, watch };
}

Deno.test("PartsWatch says when a part has stood still for three answers", async () => {
  const { clock, part, watch } = setUp();
  using _watch = watch;
  await clock.advance(60_000);
  part.isTurning = false;
  await clock.advance(20_000);
  strictEqual(watch.signal.aborted, false);

  await clock.advance(10_000);

  ok(watch.signal.reason instanceof ThreadError);
  strictEqual(
    watch.signal.reason.message,
    "Cannot go on: the store thread stands still",
  );
});

Deno.test("PartsWatch takes no offence at answers that come again, as after a suspension", async () => {
  const { clock, part, watch } = setUp();
  using _watch = watch;
  for (let times = 0; times < 5; times++) {
    part.isTurning = false;
    await clock.advance(20_000);
    part.isTurning = true;
    await clock.advance(10_000);
  }
  strictEqual(watch.signal.aborted, false);
});

Deno.test("PartsWatch says nothing once it is disposed of", async () => {
  const { clock, part, watch } = setUp();
  part.isTurning = false;
  watch[Symbol.dispose]();
  await clock.advance(120_000);
  strictEqual(watch.signal.aborted, false);
});
