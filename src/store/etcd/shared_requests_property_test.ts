/**
 * Random programs of many callers, on a store whose callers share requests and
 * on stores that each have one caller, so that nothing is ever shared.
 */

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  FakeEtcd,
  type FakeEtcdInit,
  type Fate,
  keyOf,
  turns,
} from "../../../tests/fakes/fake_etcd.ts";
import { EtcdStore } from "./etcd_store.ts";
import {
  type KV,
  OutcomeUnknownError,
  StoreError,
  StoreUnavailableError,
} from "../state_store.ts";

/** One operation of a caller; the next begins when it has ended. */
interface Step {
  readonly type: "get" | "put" | "delete";
  readonly key: string;
  /** How many bytes a put's value has at least. */
  readonly length: number;
  /** In how many turns of the event loop the caller gives up. */
  readonly abortAfter: number | undefined;
}

/** What a step came to. */
interface Outcome extends Step {
  readonly caller: number;
  readonly value: string;
  readonly end: "ok" | "aborted" | "unknown" | "not-done" | "refused";
  readonly found?: KV | undefined;
  readonly version?: bigint;
  /** The store's revision when it was called and when it ended. */
  readonly called: number;
  readonly ended: number;
}

const ABORT = new Error("The caller gives up");

function program(keys: readonly string[]): fc.Arbitrary<Step[][]> {
  const step = fc.record({
    type: fc.constantFrom("get", "get", "put", "put", "delete"),
    key: fc.constantFrom(...keys),
    length: fc.constantFrom(0, 0, 0, 100, 5_000),
    abortAfter: fc.option(fc.integer({ min: 0, max: 6 }), {
      nil: undefined,
      freq: 8,
    }),
  }) as fc.Arbitrary<Step>;
  return fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), {
    minLength: 2,
    maxLength: 30,
  });
}

function fates(withTrouble: boolean): fc.Arbitrary<Fate[]> {
  return fc.array(
    fc.record({
      there: fc.integer({ min: 0, max: 4 }),
      back: fc.integer({ min: 0, max: 4 }),
      trouble: withTrouble
        ? fc.constantFrom(
          undefined,
          undefined,
          undefined,
          undefined,
          "lost" as const,
          "unanswered" as const,
          "unreached" as const,
        )
        : fc.constant(undefined),
    }),
    { minLength: 1, maxLength: 30 },
  );
}

/** Runs a program; `alone` gives each caller a store of its own. */
async function run(
  steps: readonly (readonly Step[])[],
  init: FakeEtcdInit,
  { alone, own }: { readonly alone: boolean; readonly own: boolean },
): Promise<{ readonly etcd: FakeEtcd; readonly outcomes: Outcome[] }> {
  const etcd = new FakeEtcd(init);
  const open = () => {
    const connect = () => etcd.connect();
    return new EtcdStore({ endpoints: ["fake"], connect });
  };
  const stores = alone ? steps.map(open) : [open()];
  const outcomes: Outcome[][] = await Promise.all(
    steps.map(async (own_steps, caller) => {
      const store = stores[caller % stores.length] as EtcdStore;
      const ends: Outcome[] = [];
      for (const [index, step] of own_steps.entries()) {
        const key = own && step.key !== "" ? `${caller}${step.key}` : step.key;
        const value = `${caller}.${index}.`.padEnd(step.length, "x");
        ends.push(
          await outcomeOf(etcd, store, { ...step, key, caller, value }),
        );
      }
      return ends;
    }),
  );
  await Promise.all(stores.map((store) => store.close()));
  return { etcd, outcomes: outcomes.flat() };
}

async function outcomeOf(
  etcd: FakeEtcd,
  store: EtcdStore,
  step: Step & { readonly caller: number; readonly value: string },
): Promise<Outcome> {
  const { type, key, value, abortAfter } = step;
  const called = etcd.revision;
  const controller = new AbortController();
  const options = { signal: controller.signal, timeoutMs: 60_000 };
  if (abortAfter !== undefined) {
    turns(abortAfter).then(() => controller.abort(ABORT));
  }
  try {
    if (type === "get") {
      const found = await store.get(key, options);
      return { ...step, end: "ok", found, called, ended: etcd.revision };
    }
    const bytes = new TextEncoder().encode(value);
    const version = type === "put"
      ? await store.put(key, bytes, options)
      : await store.delete(key, options).then(() => undefined);
    const ended = etcd.revision;
    return { ...step, end: "ok", called, ended, ...version && { version } };
  } catch (error) {
    return { ...step, end: endOf(error, step), called, ended: etcd.revision };
  }
}

function endOf(error: unknown, { type, key }: Step): Outcome["end"] {
  if (error === ABORT) return "aborted";
  ok(error instanceof StoreError, String(error));
  ok(error.message.startsWith(`Cannot ${type} "${key}": `), error.message);
  if (error instanceof OutcomeUnknownError) return "unknown";
  return error instanceof StoreUnavailableError ? "not-done" : "refused";
}

/** Holds each outcome against what etcd really did. */
function judge(
  etcd: FakeEtcd,
  outcomes: readonly Outcome[],
  { maxBytes, trouble }: {
    readonly maxBytes: number;
    readonly trouble: boolean;
  },
): void {
  for (const one of outcomes) {
    const told = JSON.stringify(
      one,
      (_, value) => typeof value === "bigint" ? `${value}` : value,
    );
    const isBad = one.key === "" || one.key.startsWith("bad") ||
      one.type === "put" && one.key.length + one.value.length > maxBytes;
    if (one.end === "refused") ok(isBad, `refused for another: ${told}`);
    if (one.end === "unknown") ok(trouble && one.type !== "get", told);
    if (isBad) ok(one.end !== "ok", told);
    if (one.end === "not-done") ok(false, `there was time enough: ${told}`);
    if (one.type === "put") {
      const done = etcd.changes.filter(({ value }) => value === one.value);
      ok(done.length <= 1, `done twice: ${told}`);
      if (one.end === "ok") {
        strictEqual(done[0]?.revision, Number(one.version), told);
        strictEqual(done[0]?.key, one.key, told);
        ok(Number(one.version) > one.called, told);
        ok(Number(one.version) <= one.ended, told);
      }
      if (one.end === "refused") strictEqual(done.length, 0, told);
    }
    if (one.type === "get" && one.end === "ok") {
      // It shows the key as it was at some moment of the call.
      const shown = range(one.called, one.ended).some((revision) => {
        const then = etcd.at(one.key, revision);
        return one.found === undefined
          ? then === undefined
          : then?.revision === Number(one.found.version) &&
            then.value === new TextDecoder().decode(one.found.value);
      });
      ok(shown, `not what was there: ${told}`);
    }
    if (one.type === "delete" && one.end === "ok") {
      const gone = range(one.called, one.ended).some((revision) =>
        etcd.at(one.key, revision) === undefined
      );
      ok(gone, `not deleted: ${told}`);
    }
  }
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

/** What a caller can see of an outcome, leaving out revisions, which others move. */
function seen({ caller, type, key, end, found }: Outcome): unknown {
  return [
    caller,
    type,
    key,
    end,
    found && new TextDecoder().decode(found.value),
  ];
}

function forbidden(key: string): boolean {
  return key.startsWith("bad") || /^\d+bad/.test(key);
}

Deno.test("EtcdStore() shows each of many callers what it would see alone", async () => {
  await fc.assert(
    fc.asyncProperty(
      program(["/a", "/b", "bad", ""]),
      fates(false),
      fc.constantFrom(3, 10, 128),
      fc.constantFrom(150, 2_000, 1_000_000),
      async (steps, planned, maxOps, maxBytes) => {
        // Whether an abort comes in time depends on the turns that others take.
        const patient = steps.map((own) =>
          own.map((step) => ({ ...step, abortAfter: undefined }))
        );
        let count = 0;
        const init = {
          maxOps,
          maxBytes,
          forbidden,
          fate: () => planned[count++ % planned.length] ?? {},
        };
        const shared = await run(patient, init, { alone: false, own: true });
        const plain = await run(patient, init, { alone: true, own: true });
        deepStrictEqual(shared.outcomes.map(seen), plain.outcomes.map(seen));
        deepStrictEqual(
          last(shared.etcd, shared.outcomes),
          last(plain.etcd, plain.outcomes),
        );
        for (const { requests } of [plain.etcd]) {
          ok(requests.every(({ ops }) => ops.length === 1));
        }
      },
    ),
    { numRuns: 150 },
  );
});

function last(etcd: FakeEtcd, outcomes: readonly Outcome[]): unknown {
  const keys = [...new Set(outcomes.map(({ key }) => key))].sort();
  return keys.map((key) => [key, etcd.at(key, Infinity)?.value]);
}

for (const trouble of [false, true]) {
  Deno.test(`EtcdStore() tells each caller what was done${trouble ? ", whatever becomes of requests" : ""}`, async () => {
    let together = 0;
    let unknown = 0;
    let aborted = 0;
    await fc.assert(
      fc.asyncProperty(
        program(["/a", "/b", "/c", "/d", "/e", "/f", "/g", "bad"]),
        fates(trouble),
        fc.constantFrom(3, 10, 128),
        fc.constantFrom(150, 2_000, 1_000_000),
        async (steps, planned, maxOps, maxBytes) => {
          let count = 0;
          const init = {
            maxOps,
            maxBytes,
            forbidden,
            fate: () => planned[count++ % planned.length] ?? {},
          };
          const never = planned.every((one) => one.trouble !== undefined);
          fc.pre(!never);
          const { etcd, outcomes } = await run(steps, init, {
            alone: false,
            own: false,
          });
          judge(etcd, outcomes, { maxBytes, trouble });
          for (const { ops } of etcd.requests) {
            if (ops.length > 1) together += 1;
            const written = ops.filter((op) => !op.request_range).map(keyOf);
            strictEqual(new Set(written).size, written.length);
          }
          for (const { end } of outcomes) {
            if (end === "unknown") unknown += 1;
            if (end === "aborted") aborted += 1;
          }
        },
      ),
      { numRuns: trouble ? 60 : 200 },
    );
    ok(together > 100, `${together} shared requests`);
    ok(aborted > 20, `${aborted} aborted`);
    ok(!trouble || unknown > 20, `${unknown} unknown`);
  });
}
