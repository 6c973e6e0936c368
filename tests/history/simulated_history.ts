/**
 * A correct history, made by a store that is simulated with its clients,
 * candidates and watchers on a clock of its own: what checkers must not
 * complain of, and what violations are planted into.
 *
 * @module
 */

import type {
  HistoryRecord,
  KeyValue,
  Operation,
  OperationOf,
  Step,
  Truth,
} from "./history.ts";
import { type Entry, EtcdState } from "../simulation/etcd_state.ts";
import type { Random } from "../simulation/random.ts";
import { Timeline } from "../simulation/timeline.ts";
import { concerns } from "./ground_truth.ts";

/** Options of {@linkcode simulateHistory}. */
export interface SimulationOptions {
  /** Makes the same history again. */
  readonly seed: number;
  /** How many operations the clients do. @default {200} */
  readonly operations?: number;
  /** How many keys they do them on. @default {4} */
  readonly keys?: number;
  /** How many clients there are. @default {5} */
  readonly clients?: number;
  /** The share of operations without an answer. @default {0.05} */
  readonly unknown?: number;
}

/** The prefix of the simulated candidates' keys. */
export const ELECTION = "/election/";
const MS = 1_000_000;
/** When the clients begin, in milliseconds. */
const BEGIN_MS = 1_000;

/** Makes a history in which everything is as it should be. */
export function simulateHistory(options: SimulationOptions): HistoryRecord[] {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: Required<SimulationOptions>;
  readonly #timeline: Timeline;
  readonly #state: EtcdState;
  readonly #records: HistoryRecord[] = [];
  readonly #truths: Truth[] = [];
  /** The last version each client saw of a key. */
  readonly #seen = new Map<string, number>();
  #left: number;
  #count = 0;

  constructor(options: SimulationOptions) {
    this.#options = {
      operations: 200,
      keys: 4,
      clients: 5,
      unknown: 0.05,
      ...options,
    };
    this.#left = this.#options.operations;
    this.#timeline = new Timeline(options.seed);
    this.#timeline.nowMs = BEGIN_MS;
    this.#state = new EtcdState(this.#timeline);
  }

  get #random(): Random {
    return this.#timeline.random;
  }

  get #nowNs(): number {
    return Math.round(this.#timeline.nowMs * MS);
  }

  run(): HistoryRecord[] {
    const { seed, clients } = this.#options;
    this.#records.push({
      type: "history",
      format: 1,
      seed,
      versions: {},
      members: 1,
      lease_ttl_ms: 5_000,
      election_prefix: ELECTION,
      foreign_prefixes: [],
    }, { type: "mark", name: "start", at_ns: this.#nowNs });
    for (let client = 0; client < clients; client++) {
      this.#after(this.#random.next(), () => this.#call(`c${client}`));
    }
    this.#after(3, () => this.#candidate("n1", 0));
    this.#after(5, () => this.#candidate("n2", 0));
    let endMs = BEGIN_MS;
    while (this.#timeline.step(Infinity)) endMs = this.#timeline.nowMs;
    this.#timeline.nowMs = endMs;
    this.#watchers();
    this.#records.push(...this.#truths, {
      type: "mark",
      name: "recorded",
      at_ns: this.#nowNs + 100 * MS,
      from_revision: 1,
      to_revision: this.#state.revision,
    }, { type: "mark", name: "end", at_ns: this.#nowNs + 101 * MS });
    return this.#records;
  }

  #after(ms: number, act: () => void): void {
    this.#timeline.after(ms, act);
  }

  #key(): string {
    return `/r/${this.#random.below(this.#options.keys)}`;
  }

  /** One client's next operation, and after it the one after. */
  #call(process: string): void {
    if (this.#left-- <= 0) return;
    const operation = this.#invent(process);
    const isUnknown = this.#random.chance(this.#options.unknown);
    const isFailed = !isUnknown && this.#random.chance(0.03);
    const isDone = !isFailed && !(isUnknown && this.#random.chance(0.5));
    let answer: Partial<Operation> = {};
    const takesMs = this.#random.next() * (isUnknown ? 30 : 3);
    if (isDone) {
      this.#after(takesMs, () => answer = this.#apply(operation));
    }
    this.#after(isUnknown ? 10 : takesMs + this.#random.next() * 3, () => {
      const outcome = isUnknown ? "unknown" : isFailed ? "fail" : "ok";
      const told = outcome === "ok" ? answer : { error: "no answer" };
      this.#records.push({
        ...operation,
        ...told,
        outcome,
        return_ns: isUnknown ? null : this.#nowNs,
      } as Operation);
      // A client that gave up a call goes on under another name.
      const next = isUnknown ? `${process}'` : process;
      this.#after(this.#random.next() * 2, () => this.#call(next));
    });
  }

  #base(process: string) {
    return {
      type: "op" as const,
      process,
      id: `${process}:${++this.#count}`,
      call_ns: this.#nowNs,
      return_ns: null,
      outcome: "unknown" as const,
    };
  }

  #invent(process: string): Operation {
    const base = this.#base(process);
    const key = this.#key();
    const value = base.id;
    const expected_version = this.#seen.get(`${process} ${key}`) ?? 0;
    switch (this.#random.below(10)) {
      case 0:
      case 1:
      case 2:
        return { ...base, f: "get", key };
      case 3:
      case 4:
        return { ...base, f: "put", key, value };
      case 5:
        return { ...base, f: "delete", key };
      case 6:
        return { ...base, f: "cas", key, expected_version, value };
      case 7:
        return { ...base, f: "list", prefix: "/r/" };
      case 8:
        return { ...base, f: "getLeader" };
      default: {
        const other = this.#key();
        const second = {
          key: other,
          expected_version: this.#seen.get(`${process} ${other}`) ?? 0,
        };
        const isDouble = other !== key && this.#random.chance(0.5);
        return {
          ...base,
          f: "txn",
          compare: [{ key, expected_version }, ...(isDouble ? [second] : [])],
          success: [
            { type: "get", key: other },
            { type: "put", key, value },
            ...(other === key
              ? []
              : [{ type: "put", key: other, value } as const]),
          ],
          failure: [{ type: "get", key }, { type: "get", key: other }],
        };
      }
    }
  }

  /** Does an operation to the state; returns what the answer says. */
  #apply(operation: Operation): Partial<Operation> {
    const { process } = operation;
    const look = (key: string) => {
      const kv = this.#state.entries.get(key);
      if (kv) this.#seen.set(`${process} ${key}`, kv.changed);
      return kv ? toKeyValue(kv) : null;
    };
    switch (operation.f) {
      case "get":
        return { result: look(operation.key) };
      case "put":
        this.#change([{ ...operation, type: "put" }]);
        return { result: { version: this.#state.revision } };
      case "delete":
        this.#change([{ ...operation, type: "delete" }]);
        return { revision: this.#state.revision };
      case "cas": {
        const { key, expected_version } = operation;
        const succeeded = this.#version(key) === expected_version;
        if (succeeded) this.#change([{ ...operation, type: "put" }]);
        else look(key);
        return { result: { succeeded }, revision: this.#state.revision };
      }
      case "list": {
        const kvs = [...this.#state.entries.values()]
          .filter(({ key }) => key.startsWith(operation.prefix))
          .sort((a, b) => a.key < b.key ? -1 : 1)
          .map(toKeyValue);
        return { result: { kvs, revision: this.#state.revision } };
      }
      case "txn": {
        const succeeded = operation.compare.every((check) =>
          this.#version(check.key) === check.expected_version
        );
        const steps = succeeded ? operation.success : operation.failure;
        const gets = steps.flatMap((step) =>
          step.type === "get" ? [look(step.key)] : []
        );
        this.#change(steps);
        return {
          result: { succeeded, gets },
          revision: this.#state.revision,
        };
      }
      case "getLeader":
        return { result: this.#first()?.value ?? null };
      default:
        return {};
    }
  }

  #version(key: string): number {
    return this.#state.entries.get(key)?.changed ?? 0;
  }

  #first(): Entry | undefined {
    return [...this.#state.entries.values()]
      .filter(({ key }) => key.startsWith(ELECTION))
      .sort((a, b) => a.created - b.created)[0];
  }

  /** Changes keys at one new revision, or at none if nothing changes. */
  #change(steps: readonly Step[]): void {
    const before = this.#state.history.length;
    this.#state.write(Object.fromEntries(
      steps.filter(({ type }) => type !== "get")
        .map((step) => [
          step.key,
          step.type === "put" ? step.value : undefined,
        ]),
    ));
    for (const change of this.#state.history.slice(before)) {
      const { entry, before } = change;
      const isPut = change.type === "Put";
      this.#truths.push({
        type: "truth",
        member: "n1",
        at_ns: this.#nowNs + this.#random.below(MS),
        event: isPut ? "put" : "delete",
        key: entry.key,
        value: isPut ? entry.value : null,
        mod_revision: entry.changed,
        create_revision: isPut ? entry.created : 0,
        prev_value: before?.value ?? null,
      });
    }
  }

  /** A node that campaigns, leads, writes with its guard, resigns or is deposed, and tries again. */
  #candidate(node: string, round: number): void {
    if (round >= 3) return;
    const key = `${ELECTION}${node}-${round}`;
    const campaign = this.#base(`${node}!`);
    this.#after(1, () => {
      this.#change([{ type: "put", key, value: node }]);
      const token = this.#state.revision;
      this.#untilFirst(key, () => {
        this.#records.push({
          ...campaign,
          f: "campaign",
          leader: node,
          outcome: "ok",
          return_ns: this.#nowNs,
          result: { key, token },
        });
        const probes = [0, 10, 20].map((ms) => () =>
          this.#probe(node, token, ms)
        );
        probes.forEach((probe) => probe());
        this.#after(5, () => this.#guarded(node, { key, token }, false));
        this.#after(25, () => this.#leave(node, { key, token, round }));
      });
    });
  }

  #untilFirst(key: string, act: () => void): void {
    if (this.#first()?.key === key) this.#after(0.5, act);
    else this.#after(2, () => this.#untilFirst(key, act));
  }

  #probe(node: string, token: number, afterMs: number): void {
    const at = this.#nowNs + afterMs * MS;
    this.#records.push({
      type: "probe",
      node,
      asked_ns: at + 1,
      answered_ns: at + MS,
      leads: true,
      token,
    });
  }

  #guarded(
    node: string,
    { key, token }: { readonly key: string; readonly token: number },
    deposed: boolean,
  ): void {
    const base = this.#base(`${node}${deposed ? "?" : "+"}`);
    const operation: OperationOf<"txn"> = {
      ...base,
      f: "txn",
      compare: [{ key, expected_version: token }],
      success: [{ type: "put", key: "/counter", value: base.id }],
      failure: [],
      fence: { key, token, deposed },
    };
    this.#after(1, () => {
      const answer = this.#apply(operation);
      this.#after(1, () =>
        this.#records.push({
          ...operation,
          ...answer,
          outcome: "ok",
          return_ns: this.#nowNs,
        } as Operation));
    });
  }

  /** Resigns, or in odd rounds is deposed and does not know it. */
  #leave(
    node: string,
    { key, token, round }: {
      readonly key: string;
      readonly token: number;
      readonly round: number;
    },
  ): void {
    const base = this.#base(`${node}!`);
    this.#after(1, () => {
      this.#change([{ type: "delete", key }]);
      this.#after(1, () => {
        if (round % 2 === 0) {
          this.#records.push({
            ...base,
            f: "resign",
            leader: node,
            key,
            token,
            outcome: "ok",
            return_ns: this.#nowNs,
          });
        } else this.#guarded(node, { key, token }, true);
        this.#candidate(node, round + 1);
      });
    });
  }

  /** Watchers of the past, of now, of one key and of all, and a marker for them. */
  #watchers(): void {
    const beginNs = BEGIN_MS * MS;
    const lengthNs = this.#nowNs - beginNs;
    this.#timeline.nowMs += 10;
    this.#change([{ type: "put", key: "/r/marker", value: "marker:1" }]);
    const marker = this.#state.revision;
    this.#records.push({
      ...this.#base("marker"),
      f: "put",
      key: "/r/marker",
      value: "marker:1",
      return_ns: this.#nowNs + MS,
      outcome: "ok",
      result: { version: marker },
    }, {
      type: "mark",
      name: "marker",
      at_ns: this.#nowNs + MS,
      key: "/r/marker",
      value: "marker:1",
      revision: marker,
    });
    for (let count = 0; count < 6; count++) {
      const asked_ns = beginNs + this.#random.below(lengthNs);
      const key = this.#random.pick(["", "/r/", "/r/0"]);
      // The recorder has a change up to 1 ms after it was made.
      const known = this.#truths.filter(({ at_ns }) => at_ns < asked_ns - MS)
        .at(-1)?.mod_revision ?? 1;
      const now = this.#truths.filter(({ at_ns }) => at_ns < asked_ns + 2 * MS)
        .at(-1)?.mod_revision ?? 1;
      const isPast = this.#random.chance(0.5);
      const from = isPast ? Math.max(1, known - 5) : now + 1;
      const watch = { type: "watch" as const, watcher: `w${count}` };
      this.#records.push({
        ...watch,
        what: "opened",
        asked_ns,
        at_ns: asked_ns + 4 * MS,
        key,
        from_revision: isPast ? from : 0,
      });
      let atNs = asked_ns + 4 * MS;
      for (const truth of this.#truths) {
        if (truth.mod_revision < from || !concerns(key, truth.key)) continue;
        atNs = Math.max(atNs, truth.at_ns) + 1;
        const previous = this.#truths.findLast((one) =>
          one.key === truth.key && one.mod_revision < truth.mod_revision
        );
        this.#records.push({
          ...watch,
          what: "event",
          at_ns: atNs,
          event: truth.event,
          key: truth.key,
          value: truth.value,
          revision: truth.mod_revision,
          prev: truth.prev_value === null || previous === undefined
            ? null
            : { value: truth.prev_value, version: previous.mod_revision },
        });
      }
      this.#records.push({
        ...watch,
        what: "progress",
        at_ns: atNs + 1,
        revision: marker,
      });
    }
  }
}

function toKeyValue({ key, value, changed }: Entry): KeyValue {
  return { key, value, version: changed };
}
