import { strictEqual } from "node:assert/strict";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import { type WatchedNode, Wellness } from "./watchdog.ts";
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
const OVERDUE = "the leader's work goes on after its term";

function setUp() {
  const clock = new FakeClock();
  const wellness = new Wellness(clock);
  const whatIsWrong = (node: WatchedNode) =>
    wellness.whatIsWrong(node, { answerMs: 1_000 });
  return { clock, whatIsWrong };
}

Deno.test("Wellness finds a node well that nothing is known of", async () => {
  strictEqual(await setUp().whatIsWrong({}), undefined);
});

Deno.test("Wellness finds a silent etcd only once it has answered", async () => {
  const { whatIsWrong } = setUp();
  const first = new FakeEtcd();
  first.state = "starting";
  first.isAnswering = false;
  const node = { etcd: first };
  strictEqual(await whatIsWrong(node), undefined, "still starting");
  first.isAnswering = true;
  strictEqual(await whatIsWrong(node), undefined);
  first.isAnswering = false;
  strictEqual(await whatIsWrong(node), SILENT);
  first.state = "exited";
  strictEqual(await whatIsWrong(node), undefined, "it is started again");
  const second = new FakeEtcd();
  second.state = "starting";
  second.isAnswering = false;
  strictEqual(await whatIsWrong({ etcd: second }), undefined);
  second.state = "serving";
  strictEqual(await whatIsWrong({ etcd: second }), SILENT);
});

Deno.test("Wellness finds a node without a majority well, however long that lasts", async () => {
  const { clock, whatIsWrong } = setUp();
  const etcd = new FakeEtcd();
  etcd.isServing = false;
  for (let minute = 0; minute < 600; minute++) {
    const node = { etcd, look: { trouble: "waiting for n2" } };
    strictEqual(await whatIsWrong(node), undefined);
    clock.jump(9_000);
    strictEqual(await whatIsWrong(node), undefined);
    clock.jump(51_000 - 9_000);
  }
});

Deno.test("Wellness finds a part of the agent that stands still, whatever etcd does", async () => {
  const { whatIsWrong } = setUp();
  const isTurning = { store: true, member: true };
  const part = (name: keyof typeof isTurning) => ({
    name,
    turns: () => Promise.resolve(isTurning[name]),
  });
  const etcd = new FakeEtcd();
  etcd.state = "exited";
  const node = { etcd, parts: [part("store"), part("member")] };
  strictEqual(await whatIsWrong(node), undefined);
  isTurning.member = false;
  strictEqual(await whatIsWrong(node), "the agent's member part stands still");
  isTurning.member = true;
  strictEqual(await whatIsWrong(node), undefined);
});

Deno.test("Wellness finds an agent that alone cannot reach the store, and its recovery", async () => {
  const { clock, whatIsWrong } = setUp();
  const etcd = new FakeEtcd();
  const look = async (trouble: string | undefined) => {
    clock.jump(9_000);
    return await whatIsWrong({ etcd, look: { trouble } });
  };
  for (let n = 0; n < 7; n++) strictEqual(await look("No answer"), undefined);
  strictEqual(await look("No answer"), APART);
  strictEqual(await look(undefined), undefined);
  strictEqual(await look("No answer"), undefined);
});

Deno.test("Wellness finds looks at the store that do not end", async () => {
  const { clock, whatIsWrong } = setUp();
  const node = { look: { trouble: undefined } };
  strictEqual(await whatIsWrong(node), undefined);
  clock.jump(59_000);
  strictEqual(await whatIsWrong(node), undefined);
  clock.jump(1_000);
  strictEqual(await whatIsWrong(node), LOST);
  strictEqual(await whatIsWrong({ look: { trouble: "gone" } }), undefined);
});

Deno.test("Wellness finds a leader whose work outlives its lease", async () => {
  const { clock, whatIsWrong } = setUp();
  const node = { term: { fence: 7n, isOver: false } };
  strictEqual(await whatIsWrong(node), undefined);
  node.term.isOver = true;
  clock.jump(1_000_000);
  strictEqual(await whatIsWrong(node), undefined, "it was just seen");
  clock.jump(9_000);
  strictEqual(await whatIsWrong(node), undefined);
  clock.jump(1_000);
  strictEqual(await whatIsWrong(node), OVERDUE);
  strictEqual(await whatIsWrong({ term: undefined }), undefined);
});
