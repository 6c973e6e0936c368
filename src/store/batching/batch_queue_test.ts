import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { BatchQueue } from "./batch_queue.ts";
import type { Batch, Queued } from "./lane.ts";

interface Named extends Queued {
  readonly name: number;
}

let count = 0;

function op(
  type: Queued["type"],
  key: string,
  { bytes = 100, alone = false } = {},
): Named {
  const holds = type === "get" ? 0 : bytes;
  return { type, key, bytes, holds, alone, name: count++ };
}

function keys(batch: Batch<Named> | undefined): string | undefined {
  return batch?.ops.map(({ key }) => key).join(" ");
}

/** A queue in which all places are taken. */
function busyQueue(): {
  queue: BatchQueue<Named>;
  flying: Batch<Named>[];
} {
  const queue = new BatchQueue<Named>();
  const flying: Batch<Named>[] = [];
  for (let place = 0; place < 4; place++) {
    queue.push(op("put", `/busy/${place}`));
    const batch = queue.next();
    ok(batch);
    flying.push(batch);
  }
  return { queue, flying };
}

/** All that may leave now. */
function leave(queue: BatchQueue<Named>): Batch<Named>[] {
  const left: Batch<Named>[] = [];
  for (let one = queue.next(); one; one = queue.next()) left.push(one);
  return left;
}

Deno.test("BatchQueue.next() lets what is alone leave at once and alone", () => {
  const { flying } = busyQueue();
  deepStrictEqual(flying.map(({ ops }) => ops.length), [1, 1, 1, 1]);
});

Deno.test("BatchQueue.next() gathers what comes while all places are taken", () => {
  const { queue, flying } = busyQueue();
  for (const key of ["a", "b", "c"]) queue.push(op("put", key));
  strictEqual(queue.next(), undefined);
  queue.done(flying[0] as Batch<Named>);
  strictEqual(keys(queue.next()), "a b c");
  strictEqual(queue.hasWaiting, false);
});

Deno.test("BatchQueue.next() never lets two writes of a key leave together, nor waits with them", () => {
  const { queue } = busyQueue();
  for (const key of ["a", "b", "a", "c"]) queue.push(op("put", key));
  strictEqual(keys(queue.next()), "a b");
  strictEqual(queue.next(), undefined, "more may join the last");
});

Deno.test("BatchQueue.next() keeps puts, deletes and gets apart", () => {
  const { queue, flying } = busyQueue();
  queue.push(op("put", "a"));
  queue.push(op("delete", "b"));
  strictEqual(keys(queue.next()), "a");
  for (const batch of flying) queue.done(batch);
  strictEqual(keys(queue.next()), "b");
});

Deno.test("BatchQueue.next() lets gets of one key leave together", () => {
  const { queue, flying } = busyQueue();
  for (let n = 0; n < 3; n++) queue.push(op("get", "a"));
  queue.done(flying[0] as Batch<Named>);
  strictEqual(keys(queue.next()), "a a a");
});

Deno.test("BatchQueue.next() lets a large operation leave alone and take no place", () => {
  const { queue } = busyQueue();
  queue.push(op("put", "small"));
  queue.push(op("put", "large", { bytes: 1_000_000 }));
  queue.push(op("put", "next"));
  strictEqual(keys(queue.next()), "small");
  strictEqual(keys(queue.next()), "large");
  strictEqual(queue.next(), undefined);
});

Deno.test("BatchQueue.next() holds large operations back beyond some room", () => {
  const { queue, flying } = busyQueue();
  for (let n = 0; n < 20; n++) {
    queue.push(op("put", `large${n}`, { bytes: 1_000_000 }));
  }
  const left: Batch<Named>[] = [];
  for (let one = queue.next(); one; one = queue.next()) left.push(one);
  strictEqual(left.length, 8);
  queue.done(flying[0] as Batch<Named>);
  strictEqual(queue.next(), undefined, "a place is no room");
  queue.done(left[0] as Batch<Named>);
  strictEqual(keys(queue.next()), "large8");
});

Deno.test("BatchQueue.next() holds large operations back also when places are free", () => {
  const queue = new BatchQueue<Named>();
  for (let n = 0; n < 20; n++) {
    queue.push(op("put", `large${n}`, { bytes: 1_000_000 }));
  }
  strictEqual(leave(queue).length, 8);
});

Deno.test("BatchQueue.next() lets a huge operation leave if no other large one is in flight", () => {
  const queue = new BatchQueue<Named>();
  queue.push(op("put", "huge", { bytes: 100_000_000 }));
  queue.push(op("put", "large", { bytes: 1_000_000 }));
  const [huge, ...more] = leave(queue);
  strictEqual(keys(huge), "huge");
  deepStrictEqual(more, []);
  queue.done(huge as Batch<Named>);
  strictEqual(keys(queue.next()), "large");
});

Deno.test("BatchQueue.next() lets small operations pass large ones that wait, but not those of their own key", () => {
  const queue = new BatchQueue<Named>();
  for (let n = 0; n < 20; n++) {
    queue.push(op("put", `large${n}`, { bytes: 1_000_000 }));
  }
  queue.push(op("put", "large19"));
  queue.push(op("put", "small"));
  const left = leave(queue);
  strictEqual(keys(left.at(-1)), "small");
  const order: string[] = [];
  for (let batch = left.shift(); batch; batch = left.shift()) {
    queue.done(batch);
    left.push(...leave(queue));
    order.push(keys(batch) ?? "");
  }
  deepStrictEqual(order.slice(-2), ["large19", "large19"]);
  strictEqual(order.length, 22);
});

Deno.test("BatchQueue.next() has large operations in flight up to a limit, however slow they are", () => {
  const queue = new BatchQueue<Named>();
  for (let n = 0; n < 200; n++) {
    queue.push(op("put", `large${n}`, { bytes: 1_000_000 }));
  }
  let count = 0;
  for (let tick = 0; tick < 100; tick++) {
    count += leave(queue).length;
    queue.tick();
  }
  strictEqual(count, 33);
  queue.push(op("put", "small"));
  strictEqual(keys(queue.next()), "small");
});

Deno.test("BatchQueue.next() keeps puts and deletes of one key in order", () => {
  const { queue, flying } = busyQueue();
  queue.push(op("delete", "a"));
  queue.push(op("put", "a"));
  queue.push(op("delete", "a"));
  queue.push(op("put", "b"));
  const left = leave(queue);
  for (const batch of flying) queue.done(batch);
  left.push(...leave(queue));
  const types = left.flatMap(({ ops }) => ops)
    .filter(({ key }) => key === "a").map(({ type }) => type);
  deepStrictEqual(types, ["delete", "put", "delete"]);
});

Deno.test("BatchQueue.hasRoomFor() bounds what waits and what is in flight", () => {
  const queue = new BatchQueue<Named>();
  const large = op("put", "large", { bytes: 1_000_000 });
  while (queue.hasRoomFor(large)) {
    queue.push(op("put", `${count}`, { bytes: 1_000_000 }));
  }
  strictEqual(queue.size, 134);
  const [first, ...rest] = leave(queue);
  ok(first && rest.length > 0);
  strictEqual(queue.hasRoomFor(large), false, "it is in flight");
  queue.done(first);
  strictEqual(queue.hasRoomFor(large), true, "it has landed");
  queue.push(large);
  strictEqual(queue.hasRoomFor(large), false);
  queue.remove(large);
  strictEqual(queue.hasRoomFor(large), true, "it was given up");
});

Deno.test("BatchQueue.hasRoomFor() bounds how many wait, however little they hold", () => {
  const queue = new BatchQueue<Named>();
  const get = op("get", "a", { bytes: 60_000 });
  while (queue.hasRoomFor(get)) queue.push(op("get", "a", { bytes: 60_000 }));
  strictEqual(queue.size, 100_000);
});

Deno.test("BatchQueue.next() lets an operation that must be alone leave alone", () => {
  const { queue } = busyQueue();
  queue.push(op("put", "a"));
  queue.push(op("put", "b", { alone: true }));
  queue.push(op("put", "c"));
  strictEqual(keys(queue.next()), "a");
  strictEqual(keys(queue.next()), "b");
});

Deno.test("BatchQueue.tick() takes the places of slow requests back", () => {
  const { queue } = busyQueue();
  queue.push(op("put", "a"));
  queue.tick();
  strictEqual(queue.next(), undefined);
  queue.tick();
  strictEqual(keys(queue.next()), "a");
});

Deno.test("BatchQueue.done() of a slow request gives nothing back twice", () => {
  const { queue, flying } = busyQueue();
  queue.tick();
  queue.tick();
  for (const batch of flying) queue.done(batch);
  for (let place = 0; place < 4; place++) {
    queue.push(op("put", `${place}`));
    strictEqual(queue.next()?.ops.length, 1);
  }
  queue.push(op("put", "a"));
  strictEqual(queue.next(), undefined);
});

Deno.test("BatchQueue.remove() takes out what waits and nothing else", () => {
  const { queue, flying } = busyQueue();
  const [a, b, c] = [op("put", "a"), op("put", "b"), op("put", "c")];
  for (const one of [a, b, c]) queue.push(one);
  strictEqual(queue.remove(b), true);
  strictEqual(queue.remove(b), false);
  queue.done(flying[0] as Batch<Named>);
  strictEqual(keys(queue.next()), "a c");
  strictEqual(queue.remove(a), false);
});

Deno.test("BatchQueue.next() skips batches that everybody has left", () => {
  const { queue, flying } = busyQueue();
  const a = op("put", "a");
  queue.push(a);
  queue.push(op("put", "a"));
  queue.remove(a);
  queue.done(flying[0] as Batch<Named>);
  strictEqual(keys(queue.next()), "a");
  strictEqual(queue.next(), undefined);
  strictEqual(queue.hasWaiting, false);
});

Deno.test("BatchQueue.putBack() comes first, and nobody joins it", () => {
  const { queue } = busyQueue();
  queue.push(op("put", "later"));
  queue.putBack([op("put", "a"), op("put", "b")]);
  strictEqual(keys(queue.next()), "a b");
});

Deno.test("BatchQueue.next() keeps to limits that were learned after operations had gathered", () => {
  const { queue, flying } = busyQueue();
  for (let n = 0; n < 10; n++) queue.push(op("put", `${n}`));
  queue.maxOps.refuse(8);
  for (const batch of flying) queue.done(batch);
  strictEqual(keys(queue.next()), "0 1 2 3");
  strictEqual(keys(queue.next()), "4 5 6 7");
  strictEqual(keys(queue.next()), "8 9");
});

Deno.test("BatchQueue() lets everything leave once, in order and within its rules, whatever happens", () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("push" as const),
        type: fc.constantFrom("put" as const, "delete" as const),
        key: fc.constantFrom("a", "b", "c", "d", "e", "f"),
        bytes: fc.constantFrom(10, 1_000, 40_000, 70_000),
        alone: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("done" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("tick" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const) }) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
    const queue = new BatchQueue<Named>();
    const pushed: Named[] = [];
    const left: Named[] = [];
    const flying: Batch<Named>[] = [];
    const removed = new Set<Named>();
    const pump = () => {
      for (let one = queue.next(); one; one = queue.next()) {
        const written = one.ops.map(({ key }) => key);
        strictEqual(new Set(written).size, written.length);
        strictEqual(new Set(one.ops.map(({ type }) => type)).size, 1);
        ok(one.ops.length === 1 || one.ops.every(({ alone }) => !alone));
        ok(one.ops.length === 1 || one.bytes <= 512 * 1024);
        ok(one.ops.length <= 128);
        left.push(...one.ops);
        flying.push(one);
      }
    };
    for (const one of steps) {
      if (one.do === "push") {
        const next = op(one.type, one.key, one);
        pushed.push(next);
        queue.push(next);
      } else if (one.do === "done") {
        const batch = flying.shift();
        if (batch) queue.done(batch);
      } else if (one.do === "tick") {
        queue.tick();
      } else {
        const last = [...queue.waiting()].at(-1);
        if (last && queue.remove(last)) removed.add(last);
      }
      pump();
    }
    for (let batch = flying.shift(); batch; batch = flying.shift()) {
      queue.done(batch);
      pump();
    }
    deepStrictEqual(
      left.map(({ name }) => name),
      pushed.filter((one) => !removed.has(one)).map(({ name }) => name),
    );
  }));
});
