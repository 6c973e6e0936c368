import { deepStrictEqual } from "node:assert/strict";
import process from "node:process";
import { setImmediate } from "node:timers";
import { systemClock } from "./clock.ts";

Deno.test("systemClock.sleep() makes the runtime say nothing of a time that is over", async () => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error) => void warnings.push(name);
  process.on("warning", onWarning);
  await systemClock.sleep(-14.4);
  // Warnings come with the next tick.
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", onWarning);
  deepStrictEqual(warnings, []);
});
