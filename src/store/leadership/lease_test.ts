import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import type { KeepAlive, LeasePort } from "./election_port.ts";
import { Lease } from "./lease.ts";

/** A backend that answers renewals when, and as, the test says. */
class FakePort implements LeasePort {
  readonly ttlMs = 10_000;
  /** Answers a renewal that was left without an answer. */
  answerLate: (ttlMs: number) => void = () => {};
  /** What a renewal is answered with; `undefined` for not at all. */
  answer: number | undefined = 10_000;
  beats = 0;
  streams = 0;
  revoked = 0;

  grantLease() {
    return Promise.resolve({ id: 7n, ttlMs: this.ttlMs });
  }

  revokeLease() {
    this.revoked += 1;
    return Promise.resolve();
  }

  openKeepAlive(): Promise<KeepAlive> {
    this.streams += 1;
    let pending = Promise.withResolvers<number>();
    return Promise.resolve({
      renew: () => {
        this.beats += 1;
        pending = Promise.withResolvers();
        this.answerLate = pending.resolve;
        if (this.answer !== undefined) pending.resolve(this.answer);
      },
      next: () => pending.promise,
      [Symbol.dispose]: () => {},
    });
  }

  preferNextMember() {}
}

async function grant() {
  const clock = new FakeClock();
  const port = new FakePort();
  const lease = await Lease.grant(port, 10, { clock });
  return { clock, port, lease };
}

Deno.test("Lease lasts as long as its renewals are answered", async () => {
  const { clock, port, lease } = await grant();
  await clock.advance(60_000);
  strictEqual(lease.signal.aborted, false);
  // One at once, then one each third of the TTL, the last perhaps still to come.
  ok([18, 19].includes(port.beats), `${port.beats} beats`);
  strictEqual(port.streams, 1);
  await lease.release();
  strictEqual(port.revoked, 1);
});

Deno.test("Lease is lost a margin before the TTL, counted from the last answered renewal's sending", async () => {
  const { clock, port, lease } = await grant();
  await clock.advance(0); // The first renewal is sent and answered at 0.
  port.answer = undefined;
  await clock.advance(8_999);
  strictEqual(lease.signal.aborted, false);
  await clock.advance(1);
  strictEqual(lease.signal.aborted, true);
  match(String(lease.signal.reason), /could not be renewed in time/);
  await lease.release();
});

Deno.test("Lease counts from when a renewal was sent, however late its answer comes", async () => {
  const { clock, port, lease } = await grant();
  let lostAtMs = 0;
  lease.signal.addEventListener("abort", () => lostAtMs = clock.nowMs());
  await clock.advance(0);
  port.answer = undefined;
  await clock.advance(3_400); // The second renewal went out at a third of the TTL.
  clock.jump(600);
  port.answerLate(10_000);
  await clock.advance(20_000);
  strictEqual(Math.round(lostAtMs), Math.round(10_000 / 3 + 9_000));
  await lease.release();
});

Deno.test("Lease.signal is aborted at the first look after a freeze, before any timer has fired", async () => {
  const { clock, lease } = await grant();
  await clock.advance(1_000);
  clock.jump(20_000);
  strictEqual(lease.signal.aborted, true);
  await lease.release();
});

Deno.test("Lease is lost at once when the store no longer knows it", async () => {
  const { clock, port, lease } = await grant();
  await clock.advance(0);
  port.answer = 0;
  await clock.advance(3_400);
  strictEqual(lease.signal.aborted, true);
  match(String(lease.signal.reason), /no longer knows its lease/);
  await lease.release();
});

Deno.test("Lease never comes back once it is lost", async () => {
  const { clock, port, lease } = await grant();
  clock.jump(9_500);
  strictEqual(lease.signal.aborted, true);
  port.answer = 10_000;
  await clock.advance(30_000);
  strictEqual(lease.signal.aborted, true);
  await lease.release();
});

Deno.test("Lease counts by the TTL that the store grants, and by each that it answers", async () => {
  const { clock, port, lease } = await grant();
  let lostAtMs = 0;
  lease.signal.addEventListener("abort", () => lostAtMs = clock.nowMs());
  port.answer = 5_000;
  await clock.advance(4_000); // The second renewal, a third of the TTL after the first.
  port.answer = undefined;
  await clock.advance(10_000);
  strictEqual(Math.round(lostAtMs), Math.round(10_000 / 3 + 5_000 - 500));
  await lease.release();
});

Deno.test("Lease.grant() rejects as the store does", async () => {
  const port = new FakePort();
  port.grantLease = () => Promise.reject(new Error("no lease"));
  await rejects(
    Lease.grant(port, 10, { clock: new FakeClock() }),
    /no lease/,
  );
});

Deno.test("Lease.signal is aborted at the first look after a suspension, though the lease's own clock stood still", async () => {
  const { clock, lease } = await grant();
  await clock.advance(1_000);
  clock.suspend(2_000);
  strictEqual(lease.signal.aborted, true);
  match(String(lease.signal.reason), /the machine was suspended/);
  await lease.release();
});

Deno.test("Lease aborts by itself within its margin after a suspension, and takes no renewal from before it", async () => {
  const { clock, port, lease } = await grant();
  const { signal } = lease;
  await clock.advance(0);
  port.answer = undefined;
  await clock.advance(3_400); // The second renewal is on its way.
  clock.suspend(3_600_000);
  port.answerLate(10_000);
  port.answer = 10_000;
  await clock.advance(1_000);
  strictEqual(signal.aborted, true);
  await lease.release();
});

Deno.test("Lease changes nothing when the wall clock steps by an hour either way", async () => {
  const now = Date.now;
  const { clock, lease } = await grant();
  try {
    for (const stepMs of [3_600_000, -3_600_000]) {
      Date.now = () => now() + stepMs;
      await clock.advance(20_000);
      strictEqual(lease.signal.aborted, false);
    }
  } finally {
    Date.now = now;
  }
  await lease.release();
});

Deno.test("Lease outlives renewals that fail in unknown ways, but no lease is renewed by them", async () => {
  const { clock, port, lease } = await grant();
  await clock.advance(0);
  const open = port.openKeepAlive.bind(port);
  const oddities = [
    () => Promise.reject(new Error("etcdserver: never heard of")),
    () => Promise.resolve(NaN),
    () => Promise.reject("not even an error"),
  ];
  let failures = 0;
  port.openKeepAlive = async () => {
    const stream = await open();
    const oddity = oddities[failures++ % oddities.length];
    return { ...stream, next: oddity ?? stream.next };
  };
  port.answer = undefined; // The stream in use goes first.
  await clock.advance(8_900);
  strictEqual(lease.signal.aborted, false);
  await clock.advance(200);
  ok(failures > 3, `${failures} failures`);
  strictEqual(lease.signal.aborted, true);
  match(String(lease.signal.reason), /could not be renewed in time/);
  await lease.release();
});
