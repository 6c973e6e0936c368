import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import {
  answerIsLost,
  laggingMemberIsAsked,
  laggingMemberIsAskedByMany,
  listHasPages,
  staleLeaderWrites,
  watcherIsSlow,
  watchIsCancelled,
  watchIsCutOff,
  workTakesTime,
} from "./bug_scenarios.ts";
import { checkHistory } from "./check_history.ts";
import { answerWaitsFrozen, leaseIsForgotten } from "./lease_scenarios.ts";
import { plantBug, PLANTED_BUGS, realSource } from "./planted_bugs.ts";
import { manyReadAtOnce, sharedAnswerIsLost } from "./shared_scenarios.ts";
import type { Scenario } from "./small_run.ts";

/** Which run shows each bug, and which checkers see it there. */
const CASES: Record<
  keyof typeof PLANTED_BUGS,
  { readonly scenario: Scenario; readonly seenBy: readonly string[] }
> = {
  m1: { scenario: staleLeaderWrites, seenBy: ["I9"] },
  m2: { scenario: laggingMemberIsAsked, seenBy: ["I3"] },
  m3: { scenario: answerIsLost, seenBy: ["I2"] },
  m4: { scenario: answerWaitsFrozen, seenBy: ["I8"] },
  m5: { scenario: watchIsCutOff, seenBy: ["I5"] },
  m6: { scenario: watchIsCancelled, seenBy: ["I6"] },
  m7: { scenario: leaseIsForgotten, seenBy: ["I8"] },
  m8: { scenario: workTakesTime, seenBy: ["I8"] },
  m9: { scenario: watcherIsSlow, seenBy: ["I5"] },
  m9_pages: { scenario: listHasPages, seenBy: ["I4"] },
  m11: { scenario: sharedAnswerIsLost, seenBy: ["I2"] },
  m12: { scenario: manyReadAtOnce, seenBy: ["I3"] },
  m13: { scenario: laggingMemberIsAskedByMany, seenBy: ["I3"] },
  m14: { scenario: sharedAnswerIsLost, seenBy: ["I2"] },
};

for (const [name, { scenario, seenBy }] of Object.entries(CASES)) {
  const bug = PLANTED_BUGS[name as keyof typeof PLANTED_BUGS];

  Deno.test(`${seenBy.join(", ")} sees planted bug ${name}: ${bug.what}`, async () => {
    await using source = await plantBug(bug);
    const lines = checkHistory(await scenario(source));
    const seen = lines.filter(({ verdict }) => verdict.violations.length > 0)
      .map(({ invariant }) => invariant);
    for (const invariant of seenBy) {
      ok(seen.includes(invariant), `${invariant} is not among [${seen}]`);
    }
  });

  Deno.test(`${scenario.name} shows nothing without bug ${name}`, async () => {
    const lines = checkHistory(await scenario(realSource()));
    const judged = lines.filter(({ invariant }) => seenBy.includes(invariant));
    for (const { verdict } of judged) {
      ok(verdict.checked > 0 && verdict.void === undefined);
    }
    deepStrictEqual(lines.flatMap(({ verdict }) => verdict.violations), []);
  });
}

Deno.test("plantBug() fails when the text to replace no longer exists", async () => {
  const bug = { ...PLANTED_BUGS.m1, find: "this text is nowhere" };
  await rejects(
    plantBug(bug),
    /its text is 0 times in src\/store\/leadership\/term\.ts/,
  );
});
