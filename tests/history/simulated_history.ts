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
import { Random } from "../simulation/random.ts";
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

/** Makes a history in which everything is as it should be. */
export function simulateHistory(options: SimulationOptions): HistoryRecord[] {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: Required<SimulationOptions>;
  readonly #random: Random;
  readonly #records: HistoryRecord[] = [];
  readonly #truths: Truth[] = [];
  readonly #state = new Map<string, KeyValue & { readonly create: number }>();
  readonly #queue: { atNs: number; act: () => void }[] = [];
  /** The last version each client saw of a key. */
  readonly #seen = new Map<string, number>();
  #nowNs = 1_000 * MS;
  #revision = 1;
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
    this.#random = new Random(options.seed);
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
    while (this.#queue.length > 0) {
      this.#queue.sort((a, b) => b.atNs - a.atNs);
      const next = this.#queue.pop();
      this.#nowNs = next?.atNs ?? 0;
      next?.act();
    }
    this.#watchers();
    this.#records.push(...this.#truths, {
      type: "mark",
      name: "recorded",
      at_ns: this.#nowNs + 100 * MS,
      from_revision: 1,
      to_revision: this.#revision,
    }, { type: "mark", name: "end", at_ns: this.#nowNs + 101 * MS });
    return this.#records;
  }

  #after(ms: number, act: () => void): void {
    this.#queue.push({ atNs: this.#nowNs + Math.ceil(ms * MS), act });
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
      // Whoever gave up a call goes on under another name.
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
    const see = (kv: KeyValue | undefined) => {
      if (kv) this.#seen.set(`${process} ${kv.key}`, kv.version);
      return kv ? { key: kv.key, value: kv.value, version: kv.version } : null;
    };
    switch (operation.f) {
      case "get":
        return { result: see(this.#state.get(operation.key)) };
      case "put":
        this.#change([{ ...operation, type: "put" }]);
        return { result: { version: this.#revision } };
      case "delete":
        this.#change([{ ...operation, type: "delete" }]);
        return { revision: this.#revision };
      case "cas": {
        const { key, expected_version } = operation;
        const succeeded = this.#version(key) === expected_version;
        if (succeeded) this.#change([{ ...operation, type: "put" }]);
        else see(this.#state.get(key));
        return { result: { succeeded }, revision: this.#revision };
      }
      case "list": {
        const kvs = [...this.#state.values()]
          .filter(({ key }) => key.startsWith(operation.prefix))
          .sort((a, b) => a.key < b.key ? -1 : 1)
          .map(({ create: _create, ...kv }) => kv);
        return { result: { kvs, revision: this.#revision } };
      }
      case "txn": {
        const succeeded = operation.compare.every((check) =>
          this.#version(check.key) === check.expected_version
        );
        const steps = succeeded ? operation.success : operation.failure;
        const gets = steps.flatMap((step) =>
          step.type === "get" ? [see(this.#state.get(step.key))] : []
        );
        this.#change(steps);
        return { result: { succeeded, gets }, revision: this.#revision };
      }
      case "getLeader":
        return { result: this.#first()?.value ?? null };
      default:
        return {};
    }
  }

  #version(key: string): number {
    return this.#state.get(key)?.version ?? 0;
  }

  #first(): KeyValue | undefined {
    return [...this.#state.values()]
      .filter(({ key }) => key.startsWith(ELECTION))
      .sort((a, b) => a.create - b.create)[0];
  }

  /** Changes keys at one new revision, or at none if nothing changes. */
  #change(steps: readonly Step[]): void {
    const effective = steps.filter((step) =>
      step.type === "put" || step.type === "delete" && this.#state.has(step.key)
    );
    if (effective.length === 0) return;
    this.#revision += 1;
    for (const step of effective) {
      const before = this.#state.get(step.key);
      const isPut = step.type === "put";
      const create = isPut ? before?.create ?? this.#revision : 0;
      if (isPut) {
        const { key, value } = step;
        this.#state.set(key, { key, value, version: this.#revision, create });
      } else this.#state.delete(step.key);
      this.#truths.push({
        type: "truth",
        member: "n1",
        at_ns: this.#nowNs + this.#random.below(MS),
        event: isPut ? "put" : "delete",
        key: step.key,
        value: isPut ? step.value : null,
        mod_revision: this.#revision,
        create_revision: create,
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
      const token = this.#revision;
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
    const beginNs = 1_000 * MS;
    const lengthNs = this.#nowNs - beginNs;
    this.#nowNs += 10 * MS;
    this.#change([{ type: "put", key: "/r/marker", value: "marker:1" }]);
    const marker = this.#revision;
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
