import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { BatchQueue } from "./batch_queue.ts";
import {
  type SharedOperation,
  type SharedRequest,
  Waiter,
} from "./shared_request.ts";

type Queue = BatchQueue<void>;
type Request = SharedRequest<void>;

let count = 0;

function op(
  type: SharedOperation["type"],
  key: string,
  { bytes = 100 } = {},
): Waiter<void> {
  const holds = type === "get" ? 0 : bytes;
  const request = {} as SharedOperation["request"];
  count += 1;
  return new Waiter<void>({ type, key, bytes, holds, request }, {
    deadlineMs: Infinity,
  });
}

function keys(request: Request | undefined): string | undefined {
  return request?.waiters.map((waiter) => waiter.op.key).join(" ");
}

/** A queue in which all places are taken. */
function busyQueue(): {
  queue: Queue;
  inFlight: Request[];
} {
  const queue = new BatchQueue<void>();
  const inFlight: Request[] = [];
  for (let place = 0; place < 4; place++) {
    queue.push(op("put", `/busy/${place}`));
    const request = queue.next();
    ok(request);
    inFlight.push(request);
  }
  return { queue, inFlight };
}

/** All that may leave now. */
function leave(queue: Queue): Request[] {
  const left: Request[] = [];
  for (let one = queue.next(); one; one = queue.next()) left.push(one);
  return left;
}

Deno.test("BatchQueue.next() lets what is alone leave at once and alone", () => {
  const { inFlight } = busyQueue();
  deepStrictEqual(inFlight.map(({ size }) => size), [1, 1, 1, 1]);
});

Deno.test("BatchQueue.next() gathers what comes while all places are taken", () => {
  const { queue, inFlight } = busyQueue();
  for (const key of ["a", "b", "c"]) queue.push(op("put", key));
  strictEqual(queue.next(), undefined);
  queue.done(inFlight[0] as Request);
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
  const { queue, inFlight } = busyQueue();
  queue.push(op("put", "a"));
  queue.push(op("delete", "b"));
  strictEqual(keys(queue.next()), "a");
  for (const request of inFlight) queue.done(request);
  strictEqual(keys(queue.next()), "b");
});

Deno.test("BatchQueue.next() lets gets of one key leave together", () => {
  const { queue, inFlight } = busyQueue();
  for (let n = 0; n < 3; n++) queue.push(op("get", "a"));
  queue.done(inFlight[0] as Request);
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
  const { queue, inFlight } = busyQueue();
  for (let n = 0; n < 20; n++) {
    queue.push(op("put", `large${n}`, { bytes: 1_000_000 }));
  }
  const left: Request[] = [];
  for (let one = queue.next(); one; one = queue.next()) left.push(one);
  strictEqual(left.length, 8);
  queue.done(inFlight[0] as Request);
  strictEqual(queue.next(), undefined, "a place is no room");
  queue.done(left[0] as Request);
  strictEqual(keys(queue.next()), "large8");
});

Deno.test("BatchQueue.next() holds large operations back also when places are free", () => {
  const queue = new BatchQueue<void>();
  for (let n = 0; n < 20; n++) {
    queue.push(op("put", `large${n}`, { bytes: 1_000_000 }));
  }
  strictEqual(leave(queue).length, 8);
});

Deno.test("BatchQueue.next() lets a huge operation leave if no other large one is in flight", () => {
  const queue = new BatchQueue<void>();
  queue.push(op("put", "huge", { bytes: 100_000_000 }));
  queue.push(op("put", "large", { bytes: 1_000_000 }));
  const [huge, ...more] = leave(queue);
  strictEqual(keys(huge), "huge");
  deepStrictEqual(more, []);
  queue.done(huge as Request);
  strictEqual(keys(queue.next()), "large");
});

Deno.test("BatchQueue.next() lets small operations pass large ones that wait, but not those of their own key", () => {
  const queue = new BatchQueue<void>();
  for (let n = 0; n < 20; n++) {
    queue.push(op("put", `large${n}`, { bytes: 1_000_000 }));
  }
  queue.push(op("put", "large19"));
  queue.push(op("put", "small"));
  const left = leave(queue);
  strictEqual(keys(left.at(-1)), "small");
  const order: string[] = [];
  for (let request = left.shift(); request; request = left.shift()) {
    queue.done(request);
    left.push(...leave(queue));
    order.push(keys(request) ?? "");
  }
  deepStrictEqual(order.slice(-2), ["large19", "large19"]);
  strictEqual(order.length, 22);
});

Deno.test("BatchQueue.next() has large operations in flight up to a limit, however slow they are", () => {
  const queue = new BatchQueue<void>();
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
  const { queue, inFlight } = busyQueue();
  queue.push(op("delete", "a"));
  queue.push(op("put", "a"));
  queue.push(op("delete", "a"));
  queue.push(op("put", "b"));
  const left = leave(queue);
  for (const request of inFlight) queue.done(request);
  left.push(...leave(queue));
  const types = left.flatMap(({ waiters }) => waiters)
    .map((waiter) => waiter.op).filter(({ key }) => key === "a")
    .map(({ type }) => type);
  deepStrictEqual(types, ["delete", "put", "delete"]);
});

Deno.test("BatchQueue.hasMemoryFor() bounds what waits and what is in flight", () => {
  const queue = new BatchQueue<void>();
  const large = op("put", "large", { bytes: 1_000_000 });
  while (queue.hasMemoryFor(large.op)) {
    queue.push(op("put", `${count}`, { bytes: 1_000_000 }));
  }
  strictEqual(queue.size, 134);
  const [first, ...rest] = leave(queue);
  ok(first && rest.length > 0);
  strictEqual(queue.hasMemoryFor(large.op), false, "it is in flight");
  queue.done(first);
  strictEqual(queue.hasMemoryFor(large.op), true, "it was answered");
  queue.push(large);
  strictEqual(queue.hasMemoryFor(large.op), false);
  queue.remove(large);
  strictEqual(queue.hasMemoryFor(large.op), true, "it was given up");
});

Deno.test("BatchQueue.hasMemoryFor() bounds how many wait, however little they hold", () => {
  const queue = new BatchQueue<void>();
  const get = op("get", "a", { bytes: 60_000 });
  while (queue.hasMemoryFor(get.op)) {
    queue.push(op("get", "a", { bytes: 60_000 }));
  }
  strictEqual(queue.size, 100_000);
});

Deno.test("BatchQueue.next() lets an operation on the empty key leave alone", () => {
  const { queue } = busyQueue();
  queue.push(op("put", "a"));
  queue.push(op("put", ""));
  queue.push(op("put", "c"));
  strictEqual(keys(queue.next()), "a");
  strictEqual(keys(queue.next()), "");
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
  const { queue, inFlight } = busyQueue();
  queue.tick();
  queue.tick();
  for (const request of inFlight) queue.done(request);
  for (let place = 0; place < 4; place++) {
    queue.push(op("put", `${place}`));
    strictEqual(queue.next()?.size, 1);
  }
  queue.push(op("put", "a"));
  strictEqual(queue.next(), undefined);
});

Deno.test("BatchQueue.remove() takes out what waits and nothing else", () => {
  const { queue, inFlight } = busyQueue();
  const [a, b, c] = [op("put", "a"), op("put", "b"), op("put", "c")];
  for (const one of [a, b, c]) queue.push(one);
  strictEqual(queue.remove(b), true);
  strictEqual(queue.remove(b), false);
  queue.done(inFlight[0] as Request);
  strictEqual(keys(queue.next()), "a c");
  strictEqual(queue.remove(a), false);
});

Deno.test("BatchQueue.next() skips requests that all waiters have left", () => {
  const { queue, inFlight } = busyQueue();
  const a = op("put", "a");
  queue.push(a);
  queue.push(op("put", "a"));
  queue.remove(a);
  queue.done(inFlight[0] as Request);
  strictEqual(keys(queue.next()), "a");
  strictEqual(queue.next(), undefined);
  strictEqual(queue.hasWaiting, false);
});

Deno.test("BatchQueue.putBack() comes first, and nothing joins it", () => {
  const { queue } = busyQueue();
  queue.push(op("put", "later"));
  queue.putBack([op("put", "a"), op("put", "b")]);
  strictEqual(keys(queue.next()), "a b");
});

Deno.test("BatchQueue.next() keeps to limits that were learned after operations had gathered", () => {
  const { queue, inFlight } = busyQueue();
  for (let n = 0; n < 10; n++) queue.push(op("put", `${n}`));
  queue.maxOps.refuse(8);
  for (const request of inFlight) queue.done(request);
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
        key: fc.constantFrom("a", "b", "c", "d", "e", "f", ""),
        bytes: fc.constantFrom(10, 1_000, 40_000, 70_000),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("done" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("tick" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const) }) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
    const queue = new BatchQueue<void>();
    const pushed: Waiter<void>[] = [];
    const left: Waiter<void>[] = [];
    const inFlight: Request[] = [];
    const removed = new Set<Waiter<void>>();
    const pump = () => {
      for (let one = queue.next(); one; one = queue.next()) {
        const ops = one.waiters.map((waiter) => waiter.op);
        const written = ops.map(({ key }) => key);
        strictEqual(new Set(written).size, written.length);
        strictEqual(new Set(ops.map(({ type }) => type)).size, 1);
        ok(ops.length === 1 || ops.every(({ key }) => key !== ""));
        ok(ops.length === 1 || one.bytes <= 512 * 1024);
        ok(ops.length <= 128);
        left.push(...one.waiters);
        inFlight.push(one);
      }
    };
    for (const one of steps) {
      if (one.do === "push") {
        const next = op(one.type, one.key, one);
        pushed.push(next);
        queue.push(next);
      } else if (one.do === "done") {
        const request = inFlight.shift();
        if (request) queue.done(request);
      } else if (one.do === "tick") {
        queue.tick();
      } else {
        const last = [...queue.waiting()].at(-1);
        if (last && queue.remove(last)) removed.add(last);
      }
      pump();
    }
    for (let request = inFlight.shift(); request; request = inFlight.shift()) {
      queue.done(request);
      pump();
    }
    const stayed = pushed.filter((one) => !removed.has(one));
    deepStrictEqual(
      left.map((waiter) => pushed.indexOf(waiter)),
      stayed.map((waiter) => pushed.indexOf(waiter)),
    );
  }));
});
