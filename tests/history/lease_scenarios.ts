/**
 * Small runs of a lease alone, on a simulated store and a clock of its own:
 * right source is told from source with one planted bug.
 *
 * @module
 */

import { FakeClock } from "../fakes/fake_clock.ts";
import { type History, type HistoryRecord, toHistory } from "./history.ts";
import type { SourceTree } from "./planted_bugs.ts";
import { type Scenario, SMALL_RUN } from "./small_run.ts";

type LeaseModule = typeof import("../../src/store/leadership/lease.ts");

const MS = 1_000_000;

/** A renewal's answer waits in the kernel while the process is frozen. */
export const answerWaitsFrozen: Scenario = (source) =>
  leaseRuns(source, async ({ clock, port, advance }) => {
    await advance(0);
    port.answers = false;
    await advance(3_400);
    // The store has renewed the lease; the holder is frozen and reads it 4 s later.
    clock.jump(4_000);
    port.answerLate();
    // From here on nothing reaches the store.
    port.isCutOff = true;
    await advance(10_000);
  });

/** The store forgets all leases, as one that was made anew, just before a renewal. */
export const leaseIsForgotten: Scenario = (source) =>
  leaseRuns(source, async ({ port, advance }) => {
    await advance(3_300);
    port.forget();
    await advance(10_000);
  });

/** A simulated store's lease, as far as its holder and the next candidate see it. */
class LeaseOffice {
  readonly ttlMs = 10_000;
  readonly #clock: FakeClock;
  /** Until when the store keeps the lease for its holder. */
  untilMs: number;
  /** Whether renewals are answered. */
  answers = true;
  /** Whether renewals are lost before they reach the store. */
  isCutOff = false;
  #isGone = false;
  #pending = Promise.withResolvers<number>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
    this.untilMs = clock.nowMs() + this.ttlMs;
  }

  grantLease() {
    return Promise.resolve({ id: 1n, ttlMs: this.ttlMs });
  }

  revokeLease() {
    return Promise.resolve();
  }

  openKeepAlive() {
    return Promise.resolve({
      renew: () => this.#renew(),
      next: () => this.#pending.promise,
      [Symbol.dispose]: () => {},
    });
  }

  preferNextMember() {}

  answerLate(): void {
    this.answers = true;
    this.#pending.resolve(this.ttlMs);
  }

  /** The lease is gone; half a second passes before another node is elected. */
  forget(): void {
    this.untilMs = this.#clock.nowMs() + 500;
    this.#isGone = true;
  }

  #renew(): void {
    this.#pending = Promise.withResolvers();
    if (this.isCutOff) return;
    const nowMs = this.#clock.nowMs();
    if (this.#isGone || nowMs >= this.untilMs) return this.#pending.resolve(0);
    this.untilMs = nowMs + this.ttlMs;
    if (this.answers) this.#pending.resolve(this.ttlMs);
  }
}

/** Asks a lease's holder each 50 ms whether it believes, and the next one too. */
async function leaseRuns(
  source: SourceTree,
  script: (run: {
    readonly clock: FakeClock;
    readonly port: LeaseOffice;
    readonly advance: (ms: number) => Promise<void>;
  }) => Promise<void>,
): Promise<History> {
  const { Lease } = await source.load<LeaseModule>("store/leadership/lease.ts");
  const clock = new FakeClock();
  const port = new LeaseOffice(clock);
  const lease = await Lease.grant(port, 10, { clock });
  const records: HistoryRecord[] = [SMALL_RUN];
  const ask = (node: string, leads: boolean) => {
    const asked_ns = clock.nowMs() * MS;
    const answered_ns = asked_ns + MS;
    records.push({ type: "probe", node, asked_ns, answered_ns, leads });
  };
  await script({
    clock,
    port,
    async advance(ms) {
      const endMs = clock.nowMs() + ms;
      do {
        await clock.advance(Math.min(50, endMs - clock.nowMs()));
        ask("n1", !lease.signal.aborted);
        ask("n2", clock.nowMs() >= port.untilMs);
      } while (clock.nowMs() < endMs);
    },
  });
  await lease.release();
  return toHistory(records);
}
