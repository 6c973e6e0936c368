import { ok, strictEqual } from "node:assert/strict";
import { Random } from "../simulation/random.ts";
import { linearizability, type RegisterOperation } from "./wgl.ts";

/**
 * A second opinion that shares nothing with the first: every order that time
 * allows is tried, written down straight from the definition.
 */
function hasOrder(
  rest: readonly RegisterOperation[],
  state: number,
): boolean {
  if (rest.every(({ returnNs }) => returnNs === Infinity)) return true;
  return rest.some((one) => {
    const others = rest.filter((other) => other !== one);
    const isLate = others.some(({ returnNs }) => returnNs < one.callNs);
    if (isLate) return false;
    if (one.needs !== undefined && one.needs !== state) return false;
    if (one.forbids !== undefined && one.forbids === state) return false;
    return hasOrder(others, one.writes ?? state);
  });
}

/** Up to seven operations with answers that are often, but not always, possible. */
function smallHistory(random: Random): RegisterOperation[] {
  const count = 1 + random.below(7);
  return Array.from({ length: count }, () => {
    const callNs = random.below(12);
    const returnNs = random.chance(0.15) ? Infinity : callNs + random.below(8);
    const value = random.below(3);
    const next = random.below(3);
    switch (random.below(4)) {
      case 0:
        return { callNs, returnNs, needs: value };
      case 1:
        return { callNs, returnNs, writes: value };
      case 2:
        return { callNs, returnNs, needs: value, writes: next };
      default:
        return { callNs, returnNs, forbids: value };
    }
  });
}

Deno.test("linearizability() agrees with trying every order, on 20,000 small random histories", () => {
  const seed = Number(Deno.env.get("KAT_TEST_SEED") ?? Date.now() % 1e9);
  const random = new Random(seed);
  const counts = { ok: 0, illegal: 0, undecided: 0 };
  for (let round = 0; round < 20_000; round++) {
    const history = smallHistory(random);
    const result = linearizability(history, { initial: 0 });
    counts[result] += 1;
    const expected = hasOrder(history, 0) ? "ok" : "illegal";
    strictEqual(
      result,
      expected,
      `KAT_TEST_SEED=${seed}, round ${round}: ${JSON.stringify(history)}`,
    );
  }
  // Else the agreement would be of little worth.
  ok(counts.ok > 3_000 && counts.illegal > 3_000, JSON.stringify(counts));
});

Deno.test("linearizability() takes calls and returns of one moment for overlapping", () => {
  const write = { callNs: 1, returnNs: 2, writes: 1 };
  const read = { callNs: 2, returnNs: 3, needs: 0 };
  strictEqual(linearizability([write, read], { initial: 0 }), "ok");
  const later = { ...read, callNs: 3, returnNs: 4 };
  strictEqual(linearizability([write, later], { initial: 0 }), "illegal");
});

Deno.test("linearizability() lets an operation without a return happen late, once or never", () => {
  const lost = { callNs: 1, returnNs: Infinity, writes: 1 };
  const reads = (...values: number[]) =>
    values.map((needs, index) => ({
      callNs: 10 + 2 * index,
      returnNs: 11 + 2 * index,
      needs,
    }));
  const verdictOf = (...values: number[]) =>
    linearizability([lost, ...reads(...values)], { initial: 0 });
  strictEqual(verdictOf(0, 0), "ok");
  strictEqual(verdictOf(0, 1), "ok");
  strictEqual(verdictOf(1, 1), "ok");
  strictEqual(verdictOf(1, 0), "illegal");
});

Deno.test("linearizability() is undecided when its steps are used up, and never ok", () => {
  // Many writes at once and a read of a value that none of them wrote.
  const writes = Array.from({ length: 24 }, (_one, index) => ({
    callNs: 0,
    returnNs: 100,
    writes: index + 1,
  }));
  const impossible = { callNs: 50, returnNs: 60, needs: 99 };
  strictEqual(
    linearizability([...writes, impossible], { initial: 0, maxSteps: 10_000 }),
    "undecided",
  );
});
