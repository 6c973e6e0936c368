import { rejects, strictEqual } from "node:assert/strict";
import { abortable, Deadline, settledWithin } from "./abortable.ts";
import { Backoff } from "./backoff.ts";
import { systemClock } from "./clock.ts";

Deno.test("abortable() settles as the promise does", async () => {
  const { signal } = new AbortController();
  strictEqual(await abortable(Promise.resolve(1), signal), 1);
  await rejects(abortable(Promise.reject(new Error("no")), signal), /no/);
});

Deno.test("abortable() rejects with the signal's reason, also one from before", async () => {
  const never = new Promise<void>(() => {});
  const controller = new AbortController();
  const waiting = abortable(never, controller.signal);
  controller.abort(new Error("stop"));
  await rejects(waiting, /stop/);
  await rejects(abortable(never, controller.signal), /stop/);
});

Deno.test("Deadline aborts with its reason when the time is over", async () => {
  using deadline = new Deadline(1, () => new Error("late"));
  await rejects(
    abortable(new Promise(() => {}), deadline.signal),
    /late/,
  );
});

Deno.test("Deadline aborts with its parent's reason", () => {
  const parent = new AbortController();
  using deadline = new Deadline(60_000, () => new Error("late"), [
    parent.signal,
    undefined,
  ]);
  parent.abort(new Error("parent"));
  strictEqual(deadline.signal.reason.message, "parent");
});

Deno.test("settledWithin() resolves with the promise or at the deadline, and never rejects", async () => {
  await settledWithin(new Promise(() => {}), 1);
  // A timer that was left behind would fail this test by its sanitizer.
  await settledWithin(Promise.resolve(), 60_000);
  await settledWithin(Promise.reject(new Error("failed")), 60_000);
});

Deno.test("systemClock.sleep() ends early with the signal's reason", async () => {
  const controller = new AbortController();
  const sleeping = systemClock.sleep(60_000, { signal: controller.signal });
  controller.abort(new Error("wake up"));
  await rejects(sleeping, /wake up/);
});

Deno.test("Backoff doubles up to its maximum, in the upper half of each bound", () => {
  const low = new Backoff({ firstMs: 100, maxMs: 500, random: () => 0 });
  const pauses = Array.from({ length: 5 }, () => low.nextMs());
  strictEqual(pauses.join(), "50,100,200,250,250");
  strictEqual(low.attempts, 5);
  low.reset();
  strictEqual(low.nextMs(), 50);
  const high = new Backoff({ firstMs: 100, maxMs: 500, random: () => 0.999 });
  strictEqual(Math.round(high.nextMs()), 100);
});
