import { strictEqual } from "node:assert/strict";
import { systemClock } from "../../base/clock.ts";
import { readClocks, validFrom, whyOver } from "./lease_validity.ts";

const SENT = { nowMs: 5_000, bootMs: 90_000 };
const VALIDITY = validFrom(SENT, 10_000);

Deno.test("whyOver() ends a lease a margin before its TTL, counted from the sending", () => {
  const at = (nowMs: number) =>
    whyOver(VALIDITY, { nowMs, bootMs: 85_000 + nowMs });

  strictEqual(at(13_999), undefined);
  strictEqual(at(14_000), "its lease could not be renewed in time");
  strictEqual(validFrom(SENT, 2_000).untilMs, 6_500);
});

Deno.test("whyOver() ends a lease of whatever length when the machine was suspended", () => {
  const after = (suspendedMs: number) =>
    whyOver(validFrom(SENT, 3_600_000), {
      nowMs: SENT.nowMs + 1,
      // As far off as a clock of whole seconds can be, to the wrong side.
      bootMs: SENT.bootMs + Math.floor(suspendedMs / 1_000) * 1_000,
    });

  strictEqual(after(2_000), "the machine was suspended");
  strictEqual(after(86_400_000), "the machine was suspended");
});

Deno.test("whyOver() takes no rounding of the boot clock for a suspension", () => {
  for (let phaseMs = 0; phaseMs < 1_000; phaseMs += 50) {
    for (let passedMs = 0; passedMs < 8_000; passedMs += 50) {
      const boot = (ms: number) => Math.ceil((phaseMs + ms) / 1_000) * 1_000;
      const sent = { nowMs: 0, bootMs: boot(0) };
      const now = { nowMs: passedMs, bootMs: boot(passedMs) };

      strictEqual(whyOver(validFrom(sent, 10_000), now), undefined);
    }
  }
});

Deno.test("whyOver() goes by one clock where there is no other", () => {
  const validity = validFrom({ nowMs: 0, bootMs: undefined }, 10_000);

  strictEqual(whyOver(validity, { nowMs: 8_999, bootMs: 99_000 }), undefined);
  strictEqual(
    whyOver(validity, { nowMs: 9_000, bootMs: undefined }),
    "its lease could not be renewed in time",
  );
});

Deno.test("systemClock knows how long the machine is up, in seconds", () => {
  const { bootMs } = readClocks(systemClock);

  strictEqual(Number(bootMs) > 0, true);
  strictEqual(Number(bootMs) % 1_000, 0);
});
