import { deepStrictEqual } from "node:assert/strict";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import { CallDeadlines } from "./call_deadlines.ts";

Deno.test("CallDeadlines ends the calls whose time is over, and no others", async () => {
  const clock = new FakeClock();
  const ended: string[] = [];
  const call = (name: string, ms: number) => ({
    endMs: clock.nowMs() + ms,
    expire: () => ended.push(name),
    cancel: () => ended.push(`${name} called off`),
  });
  const calls = new CallDeadlines(clock);
  const answered = call("answered", 1_000);
  calls.add(call("short", 1_000));
  calls.add(answered);
  calls.add(call("long", 60_000));

  await clock.advance(900);
  deepStrictEqual(ended, []);
  calls.delete(answered);
  await clock.advance(1_000);
  deepStrictEqual(ended, ["short"]);
  await clock.advance(50_000);
  deepStrictEqual(ended, ["short"]);
  calls.add(call("later", 1_000));
  await clock.advance(2_000);
  deepStrictEqual(ended, ["short", "later"]);

  calls[Symbol.dispose]();
  deepStrictEqual(ended, ["short", "later", "long called off"]);
});
