import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { SignalGroups } from "./signal_groups.ts";

/** A signal that counts its listeners. */
function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  const count = { now: 0, most: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...all: unknown[]) => {
    count.now += 1;
    count.most = Math.max(count.most, count.now);
    Reflect.apply(addEventListener, signal, all);
  };
  signal.removeEventListener = (...all: unknown[]) => {
    count.now -= 1;
    Reflect.apply(removeEventListener, signal, all);
  };
  return { controller, signal, count };
}

Deno.test("SignalGroups() tells all that are left of one signal, in order, by one listener", () => {
  const told: unknown[] = [];
  const groups = new SignalGroups<number>((...all) => told.push(all));
  const { controller, signal, count } = countedSignal();
  const other = new AbortController();
  for (let n = 0; n < 5; n++) groups.add(signal, n);
  groups.add(other.signal, 5);
  groups.remove(signal, 2);
  controller.abort("enough");
  deepStrictEqual(told, [0, 1, 3, 4].map((n) => [n, "enough"]));
  strictEqual(count.most, 1);
});

Deno.test("SignalGroups.remove() takes the listener away with the last member", () => {
  const groups = new SignalGroups<number>(() => {});
  const { signal, count } = countedSignal();
  groups.add(signal, 1);
  groups.add(signal, 2);
  groups.remove(signal, 1);
  groups.remove(signal, 1);
  strictEqual(count.now, 1);
  groups.remove(signal, 2);
  strictEqual(count.now, 0);
  groups.add(signal, 3);
  groups.remove(signal, 3);
  strictEqual(count.now, 0);
});
