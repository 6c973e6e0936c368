import { deepStrictEqual } from "node:assert/strict";
import { runRounds } from "./rounds.ts";

Deno.test("runRounds() measures all in turns, and leaves the first round out", async () => {
  const order: string[] = [];
  const contestant = (name: string) => ({
    name,
    run() {
      order.push(name);
      return Promise.resolve({ ms: order.length });
    },
  });

  const rows = await runRounds([contestant("a"), contestant("b")], {
    what: "case",
    rounds: 2,
  });

  deepStrictEqual(order, ["a", "b", "a", "b", "b", "a"]);
  deepStrictEqual(rows, [
    { what: "case", peer: "a", figures: { ms: [3, 6] } },
    { what: "case", peer: "b", figures: { ms: [4, 5] } },
  ]);
});

Deno.test("runRounds() counts every round when it is told not to warm up", async () => {
  let round = 0;
  const run = () => Promise.resolve({ ms: ++round });
  deepStrictEqual(
    await runRounds([{ name: "a", run }], {
      what: "case",
      rounds: 2,
      warm: false,
    }),
    [{ what: "case", peer: "a", figures: { ms: [1, 2] } }],
  );
});
