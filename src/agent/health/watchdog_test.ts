import { strictEqual } from "node:assert/strict";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import { Watchdog, type WatchedNode } from "./watchdog.ts";
import type { WatchedEtcd } from "../node_state.ts";

/** An etcd that is as the test says. */
class FakeEtcd implements WatchedEtcd {
  static #started = 0;
  readonly pid = ++FakeEtcd.#started;
  state: WatchedEtcd["state"] = "serving";
  isAnswering = true;
  isServing = true;
  answers = () => Promise.resolve(this.isAnswering);
  serves = () => Promise.resolve(this.isServing);
}

const SILENT = "etcd does not answer";
const APART = "the store cannot be reached although etcd serves";
const LOST = "questions to the store do not come back";
const OVERDUE = "the leader's duties go on after its term";

function setUp() {
  const clock = new FakeClock();
  const watchdog = new Watchdog(clock);
  const unhealthyReason = (node: WatchedNode) =>
    watchdog.unhealthyReason(node, { answerMs: 1_000 });
  return { clock, unhealthyReason };
}

Deno.test("Watchdog finds a node well that nothing is known of", async () => {
  strictEqual(await setUp().unhealthyReason({}), undefined);
});

Deno.test("Watchdog finds a silent etcd only once it has answered", async () => {
  const { unhealthyReason } = setUp();
  const first = new FakeEtcd();
  first.state = "starting";
  first.isAnswering = false;
  const node = { etcd: first };
  strictEqual(await unhealthyReason(node), undefined, "still starting");
  first.isAnswering = true;
  strictEqual(await unhealthyReason(node), undefined);
  first.isAnswering = false;
  strictEqual(await unhealthyReason(node), SILENT);
  first.state = "exited";
  strictEqual(await unhealthyReason(node), undefined, "it is started again");
  const second = new FakeEtcd();
  second.state = "starting";
  second.isAnswering = false;
  strictEqual(await unhealthyReason({ etcd: second }), undefined);
  second.state = "serving";
  strictEqual(await unhealthyReason({ etcd: second }), SILENT);
});

Deno.test("Watchdog finds a node without a majority well, however long that lasts", async () => {
  const { clock, unhealthyReason } = setUp();
  const etcd = new FakeEtcd();
  etcd.isServing = false;
  for (let minute = 0; minute < 600; minute++) {
    const node = { etcd, storeCheck: { trouble: "waiting for n2" } };
    strictEqual(await unhealthyReason(node), undefined);
    clock.jump(9_000);
    strictEqual(await unhealthyReason(node), undefined);
    clock.jump(51_000 - 9_000);
  }
});

Deno.test("Watchdog finds a thread of the agent that does not respond, whatever etcd does", async () => {
  const { unhealthyReason } = setUp();
  const isResponding = { store: true, member: true };
  const part = (name: keyof typeof isResponding) => ({
    name,
    responds: () => Promise.resolve(isResponding[name]),
  });
  const etcd = new FakeEtcd();
  etcd.state = "exited";
  const node = { etcd, parts: [part("store"), part("member")] };
  strictEqual(await unhealthyReason(node), undefined);
  isResponding.member = false;
  strictEqual(
    await unhealthyReason(node),
    "the agent's member thread does not respond",
  );
  isResponding.member = true;
  strictEqual(await unhealthyReason(node), undefined);
});

Deno.test("Watchdog names the store's thread when that hangs, although it then gets no answer of etcd either", async () => {
  const { unhealthyReason } = setUp();
  const etcd = new FakeEtcd();
  let isResponding = true;
  const parts = [{
    name: "store",
    responds: () => Promise.resolve(isResponding),
  }];
  strictEqual(await unhealthyReason({ etcd, parts }), undefined);
  isResponding = false;
  etcd.isAnswering = false;
  strictEqual(
    await unhealthyReason({ etcd, parts }),
    "the agent's store thread does not respond",
  );
  isResponding = true;
  strictEqual(await unhealthyReason({ etcd, parts }), SILENT);
});

Deno.test("Watchdog finds an agent that alone cannot reach the store, and its recovery", async () => {
  const { clock, unhealthyReason } = setUp();
  const etcd = new FakeEtcd();
  const look = async (trouble: string | undefined) => {
    clock.jump(9_000);
    return await unhealthyReason({ etcd, storeCheck: { trouble } });
  };
  for (let n = 0; n < 7; n++) strictEqual(await look("No answer"), undefined);
  strictEqual(await look("No answer"), APART);
  strictEqual(await look(undefined), undefined);
  strictEqual(await look("No answer"), undefined);
});

Deno.test("Watchdog finds looks at the store that do not end", async () => {
  const { clock, unhealthyReason } = setUp();
  const node = { storeCheck: { trouble: undefined } };
  strictEqual(await unhealthyReason(node), undefined);
  clock.jump(59_000);
  strictEqual(await unhealthyReason(node), undefined);
  clock.jump(1_000);
  strictEqual(await unhealthyReason(node), LOST);
  strictEqual(
    await unhealthyReason({ storeCheck: { trouble: "gone" } }),
    undefined,
  );
});

Deno.test("Watchdog finds a leader whose work outlives its lease", async () => {
  const { clock, unhealthyReason } = setUp();
  const node = { term: { fence: 7n, isOver: false } };
  strictEqual(await unhealthyReason(node), undefined);
  node.term.isOver = true;
  clock.jump(1_000_000);
  strictEqual(await unhealthyReason(node), undefined, "it was just seen");
  clock.jump(9_000);
  strictEqual(await unhealthyReason(node), undefined);
  clock.jump(1_000);
  strictEqual(await unhealthyReason(node), OVERDUE);
  strictEqual(await unhealthyReason({ term: undefined }), undefined);
});
