import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { aborted } from "../../src/base/abortable.ts";
import type { Clock, SleepOptions } from "../../src/base/clock.ts";
import { startEtcd } from "../../src/etcd/process/etcd_process.ts";
import { EtcdSupervisor } from "../../src/etcd/process/etcd_supervisor.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { eventually } from "../machine/eventually.ts";
import { type TestMember, testMember } from "../machine/test_member.ts";

/** How long a member must run to be stable. */
const STABLE_MS = 60_000;

/** No pause takes time, up to a number of them; a stable minute is over when a test says so. */
class HurriedClock implements Clock {
  /** The pauses that were asked for. */
  readonly pauses: number[] = [];
  #allowed = 0;
  #changed = Promise.withResolvers<void>();
  #endMinute: (() => void) | undefined;

  nowMs(): number {
    return 0;
  }

  async sleep(ms: number, { signal }: SleepOptions = {}): Promise<void> {
    const ended = signal ? aborted(signal) : new Promise<void>(() => {});
    if (ms === STABLE_MS) {
      const minute = Promise.withResolvers<void>();
      this.#endMinute = minute.resolve;
      await Promise.race([minute.promise, ended]);
    } else {
      const index = this.pauses.push(ms);
      while (index > this.#allowed && !signal?.aborted) {
        await Promise.race([this.#changed.promise, ended]);
      }
    }
    signal?.throwIfAborted();
  }

  /** Lets the pauses up to the `count`th be over, and waits until the next has begun. */
  async pass(count: number): Promise<void> {
    this.#allowed = count;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    await eventually(() => strictEqual(this.pauses.length, count + 1));
  }

  /** Lets the minute be over that a member has to run. */
  endMinute(): void {
    this.#endMinute?.();
  }
}

/** An etcd that exits at once with a message, as long as a file exists. */
async function breakableMember(): Promise<
  TestMember & { readonly broken: string }
> {
  const member = await testMember();
  const broken = `${member.dir}/broken`;
  const binary = `${member.dir}/etcd-or-not`;
  await Deno.writeTextFile(
    binary,
    `#!/bin/sh
if [ -e '${broken}' ]; then echo 'panic: freepages: failed'; exit 3; fi
exec '${etcdBinaries.etcd}' "$@"
`,
    { mode: 0o755 },
  );
  return { ...member, options: { ...member.options, binary }, broken };
}

Deno.test("EtcdSupervisor pauses for longer each time, then about a minute, says why, and never gives up", async () => {
  await using member = await breakableMember();
  const clock = new HurriedClock();
  const reasons: (string | undefined)[] = [];
  const first = await startEtcd(member.options);
  await first.waitUntilServing();
  await using supervisor = new EtcdSupervisor(member.options, first, {
    clock,
    onKeepsEnding: (why) => reasons.push(why),
  });
  await Deno.writeTextFile(member.broken, "");
  Deno.kill(first.pid, "SIGKILL");

  await clock.pass(8);
  deepStrictEqual(reasons, []);
  await clock.pass(11);

  const bounds = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
  for (const [index, pauseMs] of clock.pauses.entries()) {
    const bound = bounds[index] ?? 80_000;
    ok(
      pauseMs >= bound / 2 && pauseMs <= bound,
      `${index}: ${clock.pauses}`,
    );
  }
  strictEqual(reasons.length, 3);
  for (const why of reasons) {
    match(why ?? "", /^its data is damaged \(panic: freepages: failed\)$/);
  }

  await Deno.remove(member.broken);
  const pending = clock.pass(12);
  await eventually(() => strictEqual(supervisor.current.state, "serving"));
  Deno.kill(supervisor.current.pid, "SIGKILL");
  await pending;
  strictEqual(reasons.length, 4);
  ok((clock.pauses[12] ?? 0) > 30_000, "forgotten before the minute was over");
});

Deno.test("EtcdSupervisor begins with short pauses again once etcd has run for a minute", async () => {
  await using member = await breakableMember();
  const clock = new HurriedClock();
  const reasons: (string | undefined)[] = [];
  const first = await startEtcd(member.options);
  await first.waitUntilServing();
  await using supervisor = new EtcdSupervisor(member.options, first, {
    clock,
    onKeepsEnding: (why) => reasons.push(why),
  });
  await Deno.writeTextFile(member.broken, "");
  Deno.kill(first.pid, "SIGKILL");
  await clock.pass(9);
  strictEqual(reasons.length, 1);

  await Deno.remove(member.broken);
  const pending = clock.pass(10);
  await eventually(() => {
    clock.endMinute();
    strictEqual(reasons.length, 2);
  });
  strictEqual(reasons[1], undefined);
  Deno.kill(supervisor.current.pid, "SIGKILL");
  await pending;

  ok((clock.pauses[10] ?? 0) <= 250, String(clock.pauses));
  strictEqual(reasons.length, 2);
});
