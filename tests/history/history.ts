/**
 * What a run leaves behind for its checkers: one JSON object a line, described
 * for other tools in docs/HISTORY.md.
 *
 * Names are those of the file. Times (`…_ns`) are nanoseconds of one machine's
 * CLOCK_MONOTONIC, so that stamps of different processes compare; in a file
 * they may also be decimal strings. Revisions are etcd's.
 *
 * @module
 */

import * as v from "valibot";

const ns = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(/^\d+$/))]),
  v.transform(Number),
  v.number(),
  v.minValue(0),
);
const revision = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const name = v.pipe(v.string(), v.minLength(1));

/** A key's value and `mod_revision`, as a read showed it. */
const keyValue = v.strictObject({
  key: v.string(),
  value: v.string(),
  version: revision,
});

/** Holds if the key's `mod_revision` is this; 0: if there is no such key. */
const compare = v.strictObject({
  key: v.string(),
  expected_version: revision,
});

const step = v.variant("type", [
  v.strictObject({
    type: v.literal("put"),
    key: v.string(),
    value: v.string(),
  }),
  v.strictObject({ type: v.literal("delete"), key: v.string() }),
  v.strictObject({ type: v.literal("get"), key: v.string() }),
]);

/** What all operations have. */
const common = {
  type: v.literal("op"),
  /** The caller: never two operations at once under one name. */
  process: name,
  /** Unique in the history. */
  id: name,
  /** Before the request left. */
  call_ns: ns,
  /** After the answer came; `null` if the caller never learnt of one. */
  return_ns: v.nullable(ns),
  /** `fail`: certainly not done; `unknown`: perhaps done, perhaps yet to be done. */
  outcome: v.picklist(["ok", "fail", "unknown"]),
  /** The revision in the answer's header, where the client tells. */
  revision: v.optional(revision),
  /** The raft term in the answer's header, where the client tells. */
  raft_term: v.optional(revision),
  /** What was thrown, unless the outcome is `ok`. */
  error: v.optional(v.string()),
};

const operation = v.variant("f", [
  v.strictObject({
    ...common,
    f: v.literal("get"),
    key: v.string(),
    /** Of `ok`: what was found, `null` for nothing. */
    result: v.optional(v.nullable(keyValue)),
  }),
  v.strictObject({
    ...common,
    f: v.literal("put"),
    key: v.string(),
    /** Unique in the history: "process:number". */
    value: v.string(),
    /** Of `ok`: the version that the key got. */
    result: v.optional(v.strictObject({ version: revision })),
  }),
  v.strictObject({
    ...common,
    f: v.literal("delete"),
    key: v.string(),
  }),
  v.strictObject({
    ...common,
    f: v.literal("cas"),
    key: v.string(),
    expected_version: revision,
    value: v.string(),
    /** Of `ok`: whether the comparison held, so that the value was written. */
    result: v.optional(v.strictObject({ succeeded: v.boolean() })),
  }),
  v.strictObject({
    ...common,
    f: v.literal("list"),
    prefix: v.string(),
    /** Of `ok`: the keys in order, and the one revision that they show. */
    result: v.optional(v.strictObject({
      kvs: v.array(keyValue),
      revision,
    })),
  }),
  v.strictObject({
    ...common,
    f: v.literal("txn"),
    compare: v.array(compare),
    success: v.array(step),
    failure: v.array(step),
    /** Of a write guarded by a term: the guard is also in `compare`. */
    fence: v.optional(v.strictObject({
      /** The election key of the term. */
      key: v.string(),
      /** The fence of the term: the create revision of that key. */
      token: revision,
      /** Whether the writer's term was known to be over already when it called. */
      deposed: v.boolean(),
    })),
    /** Of `ok`: which branch was taken and what its gets found, in order. */
    result: v.optional(v.strictObject({
      succeeded: v.boolean(),
      gets: v.array(v.nullable(keyValue)),
    })),
  }),
  v.strictObject({
    ...common,
    f: v.literal("getLeader"),
    /** Of `ok`: the leader's ID, `null` for none. */
    result: v.optional(v.nullable(v.string())),
  }),
  v.strictObject({
    ...common,
    f: v.literal("campaign"),
    /** The ID that is to lead. */
    leader: name,
    /** Of `ok`: the election key of the term and its fence. */
    result: v.optional(v.strictObject({ key: v.string(), token: revision })),
  }),
  v.strictObject({
    ...common,
    f: v.literal("resign"),
    /** The ID that led, and its term. */
    leader: name,
    key: v.string(),
    token: revision,
  }),
]);

const watchCommon = {
  type: v.literal("watch"),
  /** One watch of the store, reconnects included; unique in the history. */
  watcher: name,
  at_ns: ns,
};

const watch = v.variant("what", [
  v.strictObject({
    ...watchCommon,
    what: v.literal("opened"),
    /** When it was asked for; `at_ns` is when it stood. */
    asked_ns: ns,
    /** A key, or with a trailing "/" (or empty) a prefix. */
    key: v.string(),
    /** The first revision to deliver; 0: from now. */
    from_revision: revision,
  }),
  v.strictObject({
    ...watchCommon,
    what: v.literal("event"),
    event: v.picklist(["put", "delete"]),
    key: v.string(),
    /** Of a put. */
    value: v.nullable(v.string()),
    revision,
    /** The key before, `null` for none; left out if the store could not give it. */
    prev: v.optional(
      v.nullable(v.strictObject({ value: v.string(), version: revision })),
    ),
  }),
  v.strictObject({
    ...watchCommon,
    what: v.literal("progress"),
    /** Everything up to this revision has been delivered. */
    revision,
  }),
  v.strictObject({
    ...watchCommon,
    what: v.literal("closed"),
    /** `asked`: by its user; `compacted` and `error`: it said so. */
    why: v.picklist(["asked", "compacted", "error"]),
    error: v.optional(v.string()),
  }),
]);

/** A question to an agent whether it leads. */
const probe = v.strictObject({
  type: v.literal("probe"),
  node: name,
  asked_ns: ns,
  answered_ns: ns,
  leads: v.boolean(),
  /** The fence of the term it believes in. */
  token: v.optional(revision),
});

/** A change as the independent recorder saw it. */
const truth = v.strictObject({
  type: v.literal("truth"),
  /** The member that told it. */
  member: name,
  /** When the recorder had it. */
  at_ns: ns,
  event: v.picklist(["put", "delete"]),
  key: v.string(),
  /** `null` of a delete. */
  value: v.nullable(v.string()),
  mod_revision: revision,
  /** 0 of a delete. */
  create_revision: revision,
  /** The value before, `null` if there was none. */
  prev_value: v.nullable(v.string()),
});

/** A fault that was tried. */
const fault = v.strictObject({
  type: v.literal("fault"),
  kind: name,
  /** Names of the nodes it was meant for. */
  target: v.array(v.string()),
  start_ns: ns,
  /** `null` for one that lasts. */
  end_ns: v.nullable(ns),
  /** What shows that it took hold; `null` if nothing does. */
  proof: v.nullable(v.string()),
});

const markCommon = { type: v.literal("mark"), at_ns: ns };

const mark = v.variant("name", [
  /** Traffic begins. */
  v.strictObject({ ...markCommon, name: v.literal("start") }),
  /** Traffic ends. */
  v.strictObject({ ...markCommon, name: v.literal("end") }),
  /** No fault any more: within the bound there is a leader and a write succeeds. */
  v.strictObject({
    ...markCommon,
    name: v.literal("healed"),
    bound_ms: v.number(),
  }),
  /** A marker was written and acknowledged: every watcher of its key must see it. */
  v.strictObject({
    ...markCommon,
    name: v.literal("marker"),
    key: v.string(),
    value: v.string(),
    revision,
  }),
  /** The recorder certifies that it has every change from one revision to another. */
  v.strictObject({
    ...markCommon,
    name: v.literal("recorded"),
    from_revision: revision,
    to_revision: revision,
  }),
]);

const observationCommon = { type: v.literal("observation"), at_ns: ns };

const observation = v.variant("what", [
  /** What is left when all agents have ended and a TTL and 3 s have passed. */
  v.strictObject({
    ...observationCommon,
    what: v.literal("left"),
    leases: v.array(v.string()),
    keys: v.array(v.string()),
    sockets: v.array(v.string()),
  }),
  /** The etcd processes of one data directory. */
  v.strictObject({
    ...observationCommon,
    what: v.literal("processes"),
    data_dir: v.string(),
    etcd_pids: v.array(v.number()),
    zombies: v.array(v.number()),
    /** Whether there may be one. */
    allowed: v.boolean(),
  }),
  /** The revision a node had seen, and the one its store has when it starts. */
  v.strictObject({
    ...observationCommon,
    what: v.literal("high_water"),
    node: name,
    seen: revision,
    found: revision,
    /** Whether the node refused to go on, or raised an alarm. */
    alarmed: v.boolean(),
  }),
  /** HashKV of a member at a revision. */
  v.strictObject({
    ...observationCommon,
    what: v.literal("hash"),
    member: name,
    revision,
    hash: v.union([v.number(), v.string()]),
  }),
  /** Alarms that are up at the end. */
  v.strictObject({
    ...observationCommon,
    what: v.literal("alarms"),
    alarms: v.array(v.string()),
  }),
  /** A figure that must not grow: memory, handles, sockets, timers, bytes of a log. */
  v.strictObject({
    ...observationCommon,
    what: v.literal("figure"),
    node: name,
    figure: name,
    value: v.number(),
  }),
]);

/** The first line: what the run was. */
const header = v.strictObject({
  type: v.literal("history"),
  format: v.literal(1),
  /** Makes the run again. */
  seed: v.union([v.string(), v.number()]),
  /** Version of etcd, of the agent, of the host; for the report. */
  versions: v.record(v.string(), v.string()),
  /** How many members etcd has. */
  members: v.number(),
  /** The granted lease. */
  lease_ttl_ms: v.number(),
  /** The prefix of the candidates' keys. */
  election_prefix: v.string(),
  /** Keys that also others write, as the agents themselves: not checked for ghosts. */
  foreign_prefixes: v.array(v.string()),
});

/** Any line; the schema is what the reader holds a file against. */
export const RECORD_SCHEMA = v.variant("type", [
  header,
  operation,
  watch,
  probe,
  truth,
  fault,
  mark,
  observation,
]);

/** Any line of a history. */
export type HistoryRecord = v.InferOutput<typeof RECORD_SCHEMA>;
/** What the run was. */
export type Header = v.InferOutput<typeof header>;
/** A call to the store, with its answer. */
export type Operation = v.InferOutput<typeof operation>;
/** An operation of one kind. */
export type OperationOf<F extends Operation["f"]> = Extract<
  Operation,
  { f: F }
>;
/** One operation of a transaction. */
export type Step = v.InferOutput<typeof step>;
/** A key's value and version. */
export type KeyValue = v.InferOutput<typeof keyValue>;
/** What a watch did. */
export type WatchRecord = v.InferOutput<typeof watch>;
/** A question to an agent whether it leads. */
export type Probe = v.InferOutput<typeof probe>;
/** A change as the independent recorder saw it. */
export type Truth = v.InferOutput<typeof truth>;
/** A fault that was tried. */
export type Fault = v.InferOutput<typeof fault>;
/** A moment of the run. */
export type Mark = v.InferOutput<typeof mark>;
/** Something that was measured. */
export type Observation = v.InferOutput<typeof observation>;

/** A whole run, its records by kind, each in the order of the file. */
export interface History {
  /** What the run was. */
  readonly header: Header;
  /** Calls to the store. */
  readonly operations: readonly Operation[];
  /** What watches did. */
  readonly watches: readonly WatchRecord[];
  /** Whether nodes believed to lead. */
  readonly probes: readonly Probe[];
  /** What happened, says the recorder. */
  readonly truths: readonly Truth[];
  /** Faults. */
  readonly faults: readonly Fault[];
  /** Moments. */
  readonly marks: readonly Mark[];
  /** Measurements. */
  readonly observations: readonly Observation[];
}

/** Sorts records by kind. @throws {TypeError} if there is not exactly one header. */
export function toHistory(records: Iterable<HistoryRecord>): History {
  const headers: Header[] = [];
  const operations: Operation[] = [];
  const watches: WatchRecord[] = [];
  const probes: Probe[] = [];
  const truths: Truth[] = [];
  const faults: Fault[] = [];
  const marks: Mark[] = [];
  const observations: Observation[] = [];
  for (const record of records) {
    switch (record.type) {
      case "history":
        headers.push(record);
        break;
      case "op":
        operations.push(record);
        break;
      case "watch":
        watches.push(record);
        break;
      case "probe":
        probes.push(record);
        break;
      case "truth":
        truths.push(record);
        break;
      case "fault":
        faults.push(record);
        break;
      case "mark":
        marks.push(record);
        break;
      case "observation":
        observations.push(record);
        break;
    }
  }
  const [first, ...more] = headers;
  if (first === undefined || more.length > 0) {
    throw new TypeError(
      `A history has one header, this one ${headers.length}`,
    );
  }
  return {
    header: first,
    operations,
    watches,
    probes,
    truths,
    faults,
    marks,
    observations,
  };
}
