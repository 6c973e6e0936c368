/**
 * Violations to plant into correct histories, and the checkers that must find them.
 *
 * @module
 */

import { GroundTruth } from "./ground_truth.ts";
import {
  type HistoryRecord,
  type Operation,
  type OperationOf,
  toHistory,
  type Truth,
} from "./history.ts";
import { ELECTION } from "./simulated_history.ts";

/** A violation, and how it gets into a correct history. */
export interface Plant {
  /** What is done to the history. */
  readonly name: string;
  /** The checkers that must find it. */
  readonly seenBy: readonly string[];
  /** Changes a copy of the records; false if this history offers no place for it. */
  readonly plant: (
    records: HistoryRecord[],
    pick: <T>(all: readonly T[]) => T | undefined,
  ) => boolean;
}

function oks<F extends Operation["f"]>(
  records: readonly HistoryRecord[],
  f: F,
): OperationOf<F>[] {
  return records.filter((record): record is OperationOf<F> =>
    record.type === "op" && record.f === f && record.outcome === "ok"
  );
}

function truthsOf(records: readonly HistoryRecord[]): Truth[] {
  return records.filter((record) => record.type === "truth");
}

function replace(
  records: HistoryRecord[],
  old: HistoryRecord,
  ...by: HistoryRecord[]
): void {
  records.splice(records.indexOf(old), 1, ...by);
}

/** Takes a change out, so that nothing else tells of it. */
function forget(records: HistoryRecord[], { key, mod_revision }: Truth): void {
  const truths = truthsOf(records).filter((one) => one.key === key);
  const index = truths.findIndex((one) => one.mod_revision === mod_revision);
  const [change, next] = truths.slice(index, index + 2);
  if (next && change) {
    replace(records, next, { ...next, prev_value: change.prev_value });
  }
  if (change) replace(records, change);
}

/** A watcher with enough events to plant something among them. */
function eventsOf(
  records: readonly HistoryRecord[],
  pick: <T>(all: readonly T[]) => T | undefined,
) {
  const events = records.filter((record) =>
    record.type === "watch" && record.what === "event"
  );
  const counts = Map.groupBy(events, ({ watcher }) => watcher);
  return pick([...counts.values()].filter(({ length }) => length >= 6));
}

/** The violations. */
export const PLANTS: readonly Plant[] = [
  {
    name: "an acknowledged write that is not there",
    seenBy: ["I1"],
    plant(records, pick) {
      const put = pick(oks(records, "put"));
      const change = truthsOf(records).find(({ key, value }) =>
        key === put?.key && value === put?.value
      );
      if (change) forget(records, change);
      return change !== undefined;
    },
  },
  {
    name: "an acknowledged transaction that is not there",
    seenBy: ["I1"],
    plant(records, pick) {
      const old = pick(
        oks(records, "txn").filter(({ result, fence, success }) =>
          result?.succeeded && !fence && success.length === 2
        ),
      );
      const put = old?.success[1];
      const change = truthsOf(records).find(({ key, value }) =>
        put?.type === "put" && key === put.key && value === put.value
      );
      if (!old || !change) return false;
      const { revision: _told, ...silent } = old;
      replace(records, old, silent);
      forget(records, change);
      return true;
    },
  },
  {
    name: "a write acknowledged at another revision than its own",
    seenBy: ["I1"],
    plant(records, pick) {
      const put = pick(oks(records, "put"));
      if (!put?.result) return false;
      const result = { version: put.result.version - 1 };
      replace(records, put, { ...put, result });
      return true;
    },
  },
  {
    name: "a write without an operation",
    seenBy: ["I2"],
    plant(records, pick) {
      const put = pick(oks(records, "put"));
      if (put) replace(records, put);
      return put !== undefined;
    },
  },
  {
    name: "a write that failed for certain and was done",
    seenBy: ["I2"],
    plant(records, pick) {
      const put = pick(oks(records, "put"));
      if (put) replace(records, put, { ...put, outcome: "fail" });
      return put !== undefined;
    },
  },
  {
    name: "a write applied twice",
    seenBy: ["I2"],
    plant(records, pick) {
      const put = pick(oks(records, "put"));
      const change = truthsOf(records).find(({ key, value }) =>
        key === put?.key && value === put?.value
      );
      const last = truthsOf(records).at(-1);
      if (!put || !change || !last) return false;
      const before = truthsOf(records).findLast(({ key }) => key === put.key);
      const mod_revision = last.mod_revision + 1;
      records.push({
        ...change,
        mod_revision,
        create_revision: before?.value ? before.create_revision : mod_revision,
        prev_value: before?.value ?? null,
        at_ns: last.at_ns + 1,
      });
      return true;
    },
  },
  {
    name: "a delete without an operation",
    seenBy: ["I2"],
    plant(records) {
      const last = truthsOf(records).at(-1);
      const key = "/r/marker";
      if (!last) return false;
      records.push({
        ...last,
        key,
        event: "delete",
        value: null,
        prev_value: "marker:1",
        mod_revision: last.mod_revision + 1,
        create_revision: 0,
      });
      return true;
    },
  },
  {
    name: "a member that tells another value",
    seenBy: ["I2"],
    plant(records, pick) {
      const change = pick(truthsOf(records).filter(({ value }) => value));
      if (change) records.push({ ...change, member: "n2", value: "other" });
      return change !== undefined;
    },
  },
  {
    name: "a change that the recorder missed",
    seenBy: ["I2"],
    plant(records, pick) {
      const truths = truthsOf(records);
      const gone = pick(
        truths.filter(({ event, key, mod_revision }) =>
          event === "delete" &&
          truths.some((one) =>
            one.key === key && one.mod_revision > mod_revision
          )
        ),
      );
      if (gone) replace(records, gone);
      return gone !== undefined;
    },
  },
  {
    name: "a stale read",
    seenBy: ["I3", "I4"],
    plant(records, pick) {
      // Of what was replaced by a write that was acknowledged before the call.
      const truth = new GroundTruth(toHistory(records));
      const places = oks(records, "get").flatMap((get) =>
        oks(records, "put").flatMap((put) => {
          if (put.key !== get.key) return [];
          if ((put.return_ns ?? Infinity) >= get.call_ns) return [];
          const old = truth.last(put.key, (put.result?.version ?? 0) - 1);
          if (!old?.value) return [];
          const { key, value, mod_revision: version } = old;
          return [{ get, result: { key, value, version } }];
        })
      );
      const place = pick(places);
      if (place) {
        replace(records, place.get, { ...place.get, result: place.result });
      }
      return place !== undefined;
    },
  },
  {
    name: "a read of nothing where there is something",
    seenBy: ["I3", "I4"],
    plant(records) {
      const put = oks(records, "put").find(({ process }) =>
        process === "marker"
      );
      if (!put?.return_ns) return false;
      records.push({
        type: "op",
        f: "get",
        process: "planted",
        id: "planted",
        key: put.key,
        call_ns: put.return_ns + 1,
        return_ns: put.return_ns + 2,
        outcome: "ok",
        result: null,
      });
      return true;
    },
  },
  {
    name: "two comparisons with one version that both held",
    seenBy: ["I3", "I4"],
    plant(records, pick) {
      // A version above 0 never comes back; "there is no such key" may.
      const cas = pick(
        oks(records, "cas").filter(({ result, expected_version }) =>
          result?.succeeded && expected_version > 0
        ),
      );
      if (!cas) return false;
      const other = { ...cas, id: "planted", process: "planted" };
      const ns = Math.max(...truthsOf(records).map(({ at_ns }) => at_ns));
      const last = truthsOf(records).at(-1)?.mod_revision ?? 0;
      const before = truthsOf(records).findLast(({ key }) => key === cas.key);
      const value = "planted:1";
      if (before?.mod_revision === cas.expected_version) return false;
      records.push({
        ...other,
        value,
        call_ns: ns + 1e6,
        return_ns: ns + 3e6,
        revision: last + 1,
      }, {
        type: "truth",
        member: "n1",
        at_ns: ns + 2e6,
        event: "put",
        key: cas.key,
        value,
        mod_revision: last + 1,
        create_revision: before?.create_revision || last + 1,
        prev_value: before?.value ?? null,
      });
      return true;
    },
  },
  {
    name: "a list that lacks a key",
    seenBy: ["I4"],
    plant(records, pick) {
      const list = pick(
        oks(records, "list").filter(({ result }) =>
          (result?.kvs.length ?? 0) > 1
        ),
      );
      if (!list?.result) return false;
      const { kvs, revision } = list.result;
      const result = { kvs: kvs.slice(1), revision };
      replace(records, list, { ...list, result });
      return true;
    },
  },
  {
    name: "a list of an older revision",
    seenBy: ["I4"],
    plant(records, pick) {
      const lists = oks(records, "list");
      const older = lists[0];
      const list = pick(
        lists.slice(1).filter(({ call_ns, result }) =>
          call_ns > (older?.return_ns ?? 0) + 30e6 &&
          result?.revision !== older?.result?.revision
        ),
      );
      if (!list || !older?.result) return false;
      replace(records, list, { ...list, result: older.result });
      return true;
    },
  },
  {
    name: "a transaction whose comparison did not hold",
    seenBy: ["I4"],
    plant(records, pick) {
      const txn = pick(
        oks(records, "txn").filter(({ result, fence }) =>
          result?.succeeded && !fence
        ),
      );
      const [check] = txn?.compare ?? [];
      if (!txn || !check) return false;
      const { key, expected_version } = check;
      const compare = [{ key, expected_version: expected_version + 1 }];
      replace(records, txn, { ...txn, compare });
      return true;
    },
  },
  {
    name: "two writes of one key with one revision",
    seenBy: ["I1", "I4"],
    plant(records) {
      const [one, ...later] = oks(records, "put");
      const other = later.find(({ key }) => key === one?.key);
      if (!one?.result || !other) return false;
      replace(records, other, { ...other, result: one.result });
      return true;
    },
  },
  {
    name: "a header whose raft term falls",
    seenBy: ["I4"],
    plant(records, pick) {
      const put = pick(oks(records, "put").slice(0, -6));
      const later = oks(records, "put").find((one) =>
        one.process === put?.process && one.call_ns > put.call_ns
      );
      if (!put || !later) return false;
      replace(records, put, { ...put, raft_term: 7 });
      replace(records, later, { ...later, raft_term: 6 });
      return true;
    },
  },
  {
    name: "a gap in a watch",
    seenBy: ["I5"],
    plant(records, pick) {
      const event = pick(eventsOf(records, pick)?.slice(1, -1) ?? []);
      if (event) replace(records, event);
      return event !== undefined;
    },
  },
  {
    name: "a delete that a watch does not tell",
    seenBy: ["I5"],
    plant(records, pick) {
      const event = pick(
        (eventsOf(records, pick)?.slice(1, -1) ?? [])
          .filter((one) => one.event === "delete"),
      );
      if (event) replace(records, event);
      return event !== undefined;
    },
  },
  {
    name: "an event that a watch tells twice",
    seenBy: ["I5"],
    plant(records, pick) {
      const event = pick(eventsOf(records, pick) ?? []);
      if (event) replace(records, event, event, event);
      return event !== undefined;
    },
  },
  {
    name: "events that a watch tells in the wrong order",
    seenBy: ["I5"],
    plant(records, pick) {
      const events = eventsOf(records, pick) ?? [];
      const [one, other] = [events[2], events[4]];
      if (!one || !other || one.revision === other.revision) return false;
      const at = records.indexOf(other);
      records[records.indexOf(one)] = other;
      records[at] = one;
      return true;
    },
  },
  {
    name: "a watch that tells another value",
    seenBy: ["I5"],
    plant(records, pick) {
      const event = pick(
        (eventsOf(records, pick) ?? []).filter((one) => one.event === "put"),
      );
      if (event) replace(records, event, { ...event, value: "\ufffd" });
      return event !== undefined;
    },
  },
  {
    name: "a watch that tells another value before",
    seenBy: ["I5"],
    plant(records, pick) {
      const event = pick(
        (eventsOf(records, pick) ?? []).filter((one) => one.prev),
      );
      if (event) replace(records, event, { ...event, prev: null });
      return event !== undefined;
    },
  },
  {
    name: "an event after a report of progress beyond it",
    seenBy: ["I5"],
    plant(records, pick) {
      const event = (eventsOf(records, pick) ?? []).at(-1);
      if (!event) return false;
      const { watcher, at_ns, revision } = event;
      const what = "progress";
      replace(
        records,
        event,
        { type: "watch", watcher, at_ns, what, revision },
        event,
      );
      return true;
    },
  },
  {
    name: "a watch that falls silent",
    seenBy: ["I6"],
    plant(records, pick) {
      const events = eventsOf(records, pick) ?? [];
      const watcher = events[0]?.watcher;
      const key = records.some((record) =>
        record.type === "watch" && record.watcher === watcher &&
        record.what === "opened" && record.key !== "/r/0"
      );
      if (!key) return false;
      for (const event of events.slice(3)) replace(records, event);
      return true;
    },
  },
  {
    name: "two leaders at once",
    seenBy: ["I7"],
    plant(records) {
      // The second is told that it won before the first has gone.
      const second = oks(records, "campaign").find(({ leader }) =>
        leader === "n2"
      );
      const first = oks(records, "resign").find(({ leader }) =>
        leader === "n1"
      );
      if (!second || !first) return false;
      const return_ns = second.call_ns + 2e6;
      if (return_ns + 8e6 > first.call_ns) return false;
      replace(records, second, { ...second, return_ns });
      return true;
    },
  },
  {
    name: "a candidate's key that another overwrote",
    seenBy: ["I7"],
    plant(records) {
      const change = truthsOf(records).find(({ key }) =>
        key.startsWith(ELECTION)
      );
      if (!change) return false;
      replace(records, change, {
        ...change,
        create_revision: change.mod_revision - 1,
      });
      return true;
    },
  },
  {
    name: "two believers",
    seenBy: ["I8"],
    plant(records) {
      const probes = records.filter((record) => record.type === "probe");
      const [one] = probes;
      if (!one) return false;
      for (const probe of probes.filter(({ token }) => token === one.token)) {
        records.push({ ...probe, node: "n9" });
      }
      return true;
    },
  },
  {
    name:
      "a node that still believes to lead after a pause longer than its lease",
    seenBy: ["I8"],
    plant(records) {
      const probe = records.findLast((record) => record.type === "probe");
      if (!probe) return false;
      const { node, answered_ns } = probe;
      const end_ns = answered_ns + 6e9;
      records.push({
        type: "fault",
        kind: "stop agent",
        target: [node],
        start_ns: answered_ns,
        end_ns,
        proof: "state T",
      }, { ...probe, asked_ns: end_ns + 1, answered_ns: end_ns + 2 });
      return true;
    },
  },
  {
    name: "a stale guarded write that is accepted",
    seenBy: ["I9"],
    plant(records) {
      const txn = oks(records, "txn").find(({ fence }) => fence?.deposed);
      const last = truthsOf(records).at(-1);
      const [put] = txn?.success ?? [];
      if (!txn || !last || put?.type !== "put") return false;
      const before = truthsOf(records).findLast(({ key }) => key === put.key);
      const mod_revision = last.mod_revision + 1;
      replace(records, txn, {
        ...txn,
        result: { succeeded: true, gets: [] },
        revision: mod_revision,
      });
      records.push({
        ...last,
        key: put.key,
        value: put.value,
        mod_revision,
        create_revision: before?.create_revision ?? mod_revision,
        prev_value: before?.value ?? null,
      });
      return true;
    },
  },
  {
    name: "a guarded write that is accepted after its key is gone",
    seenBy: ["I9"],
    plant(records) {
      // By the last leader, so that no other token shows it.
      const txn = oks(records, "txn").filter(({ fence }) =>
        fence && !fence.deposed
      ).sort((a, b) => (a.fence?.token ?? 0) - (b.fence?.token ?? 0)).at(-1);
      const last = truthsOf(records).at(-1);
      if (!txn || !last) return false;
      const before = truthsOf(records).findLast(({ key }) =>
        key === "/counter"
      );
      const value = "planted:1";
      const mod_revision = last.mod_revision + 1;
      records.push({
        ...txn,
        id: "planted",
        process: "planted",
        success: [{ type: "put", key: "/counter", value }],
        call_ns: last.at_ns,
        return_ns: last.at_ns + 2,
        revision: mod_revision,
      }, {
        ...last,
        at_ns: last.at_ns + 1,
        key: "/counter",
        value,
        mod_revision,
        create_revision: before?.create_revision ?? mod_revision,
        prev_value: before?.value ?? null,
      });
      return true;
    },
  },
  {
    name: "a getLeader that names the leader before",
    seenBy: ["I10"],
    plant(records) {
      // All have resigned or were deposed when the marker is written.
      const marker = oks(records, "put").find(({ process }) =>
        process === "marker"
      );
      if (!marker?.return_ns) return false;
      records.push({
        type: "op",
        f: "getLeader",
        process: "planted",
        id: "planted",
        call_ns: marker.return_ns + 1,
        return_ns: marker.return_ns + 2,
        outcome: "ok",
        result: "n1",
      });
      return true;
    },
  },
  {
    name: "a node that leads on after its resignation",
    seenBy: ["I12"],
    plant(records) {
      const resign = oks(records, "resign")[0];
      const probe = records.find((record) =>
        record.type === "probe" && record.token === resign?.token
      );
      if (!resign || probe?.type !== "probe") return false;
      const asked_ns = (resign.return_ns ?? 0) + 1e6;
      records.push({ ...probe, asked_ns, answered_ns: asked_ns + 1 });
      return true;
    },
  },
];
