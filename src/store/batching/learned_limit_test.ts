import { ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { LearnedLimit } from "./learned_limit.ts";

Deno.test("LearnedLimit() finds the server's limit after a few refusals", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 300 }), (servers) => {
    const limit = new LearnedLimit(128);
    let refusals = 0;
    for (let turn = 0; turn < 40; turn++) {
      const amount = limit.value;
      if (amount <= servers) limit.accept(amount);
      else {
        limit.refuse(amount);
        refusals += 1;
      }
    }
    strictEqual(limit.value, Math.min(128, servers));
    ok(refusals <= 8, `${refusals} refusals`);
  }));
});

Deno.test("LearnedLimit() goes below what another member accepted", () => {
  const limit = new LearnedLimit(128);
  limit.accept(128);
  limit.refuse(128);
  strictEqual(limit.value, 64);
  limit.refuse(64);
  strictEqual(limit.value, 32);
});

Deno.test("LearnedLimit() never falls below one", () => {
  const limit = new LearnedLimit(128);
  limit.refuse(1);
  strictEqual(limit.value, 1);
});
