/**
 * An answer of another shape than was asked for is an error of that call,
 * and not a bug of the agent.
 *
 * @module
 */

import { deepStrictEqual, ok } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { StoreError } from "../../src/store/state_store.ts";
import { startAgent } from "../machine/agent_process.ts";
import { makeCluster } from "../machine/cluster_on_etcd.ts";
import { eventually } from "../machine/eventually.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import {
  type CallName,
  encodeMessage,
  frame,
  type Message,
} from "./fakes/etcd_messages.ts";
import {
  type HostileCall,
  type Lie,
  startHostileEtcd,
} from "./fakes/hostile_etcd.ts";
import { runMeasured } from "./fakes/measured_run.ts";

/** Answers of another shape, made of what etcd says. */
const SHAPES: Readonly<
  Record<string, (call: HostileCall) => Lie | Promise<Lie>>
> = {
  "an empty message": () => ({ messages: [{}] }),
  "no message": () => ({ messages: [] }),
  "two messages": async ({ real }) => {
    const message = await real();
    return { messages: [message, message] };
  },
  "no header": async ({ real }) => ({
    messages: [{ ...await real(), header: null }],
  }),
  "a header of zeros": async ({ real }) => ({
    messages: [{ ...await real(), header: {} }],
  }),
  "numbers below zero": async ({ real }) => ({
    messages: [negative(await real()) as Message],
  }),
  "no parts": async ({ real }) => ({
    messages: [{ ...await real(), responses: [], members: [], kvs: [] }],
  }),
  "parts of another kind": async ({ real }) => {
    const message = await real();
    const responses = (message.responses as unknown[] | undefined ?? [])
      .map(() => ({ response_delete_range: {} }));
    return { messages: [{ ...message, responses }] };
  },
  "more parts than asked for": async ({ real }) => {
    const message = await real();
    const twice = (name: string) => {
      const list = message[name] as unknown[] | undefined ?? [];
      return { [name]: [...list, ...list, {}] };
    };
    return {
      messages: [{
        ...message,
        ...twice("responses"),
        ...twice("members"),
        ...twice("kvs"),
      }],
    };
  },
  "bytes that are no message": () => ({
    raw: [frame(new Uint8Array([255, 255, 255, 255, 255]))],
  }),
  "a message cut off": async ({ real, name }) => {
    const type = `${name.split("/")[1]}Response`;
    const bytes = encodeMessage(type, await real());
    return { raw: [frame(bytes.subarray(0, -1))] };
  },
  "fields of other types": () => ({
    raw: [frame(new Uint8Array([8, 1, 21, 1, 2, 3, 4, 24, 5, 32, 6]))],
  }),
  "a web page": () => ({
    headers: { "content-type": "text/html" },
    raw: [new TextEncoder().encode("<html>hello</html>")],
  }),
};

/** All numbers of a message below zero. */
function negative(value: unknown): unknown {
  if (typeof value === "string" && /^\d+$/.test(value)) return `-${value}`;
  if (Array.isArray(value)) return value.map(negative);
  if (
    typeof value !== "object" || value === null || value instanceof Uint8Array
  ) {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, negative(one)]),
  );
}

/** Calls without streams, with commands that make them. */
const COMMANDS: readonly (readonly [CallName, readonly string[]])[] = [
  ["KV/Txn", ["status"]],
  ["KV/Range", ["status"]],
  ["Cluster/MemberList", ["status"]],
  ["KV/Range", ["store", "list", "/"]],
  ["KV/Range", ["store", "get", "/kat/schema_version"]],
  ["KV/Range", ["store", "watch", "/kat/"]],
  ["Maintenance/Alarm", ["etcd", "disarm"]],
];

for (const [shape, answer] of Object.entries(SHAPES)) {
  Deno.test(`commands bear ${shape} in place of an answer`, async () => {
    await using etcd = await startTestEtcd();
    await makeCluster(etcd.endpoint, 5);
    // At once, because nearly all of their time is waiting.
    const bugs = await Promise.all(COMMANDS.map(async ([target, command]) => {
      await using hostile = await startHostileEtcd({
        behind: etcd.endpoint,
        lie: (call) => call.name === target ? answer(call) : undefined,
      });
      const { code, stderr } = await runMeasured(
        [...command, `--endpoints=${hostile.endpoint}`],
        // A watch goes on; the others answer long before.
        { stopAfterMs: command[1] === "watch" ? 10_000 : 30_000 },
      );
      const isBug = code === 70 || code > 78 || /this is a bug/.test(stderr);
      const what = `${command.join(" ")} (${target})`;
      return isBug ? [`${what}: ${code} ${stderr.slice(0, 300)}`] : [];
    }));

    deepStrictEqual(bugs.flat(), []);
  });
}

/** What an agent on another's etcd asks while it campaigns and leads. */
const AGENT_CALLS: readonly CallName[] = [
  "KV/Txn",
  "KV/Range",
  "Lease/LeaseGrant",
  "Lease/LeaseRevoke",
  "Cluster/MemberList",
];

for (
  const shape of [
    "an empty message",
    "no parts",
    "parts of another kind",
    "numbers below zero",
    "two messages",
    "bytes that are no message",
  ]
) {
  Deno.test(`an agent bears ${shape} in place of every answer, and leads when that is over`, async () => {
    await using etcd = await startTestEtcd();
    await makeCluster(etcd.endpoint, 2);
    const answer = SHAPES[shape];
    let lying = false;
    let lies = 0;
    await using hostile = await startHostileEtcd({
      behind: etcd.endpoint,
      lie(call) {
        if (!lying || !AGENT_CALLS.includes(call.name)) return undefined;
        lies += 1;
        return answer?.(call);
      },
    });
    await using agent = startAgent([
      "run",
      `--endpoints=${hostile.endpoint}`,
      "--node-name=n1",
    ]);
    await agent.logged("Became leader");
    lying = true;
    // Its term ends, so that it asks for everything anew.
    await etcd.ctl("del", "--prefix", "/kat/leader_election/");
    let ended = false;
    void agent.ended.then(() => ended = true);
    await eventually(() => ok(lies >= 10 || ended), { withinMs: 60_000 });
    const after = agent.lines.length;
    lying = false;

    await agent.logged("Became leader", after);
    const { code, stderr } = await agent.stop();
    deepStrictEqual(code, 0, stderr);
  });
}

/** Messages of a watch that no etcd sends. */
const WATCH_LIES: Readonly<Record<string, Message>> = {
  "an event of nothing": { events: [{}] },
  "an event without a key": { events: [{ type: "PUT", kv: {} }] },
  "an event of an unknown type": {
    events: [{ type: 7, kv: { key: "", mod_revision: "99" } }],
  },
  "a revision below zero": { events: [{ kv: { mod_revision: "-5" } }] },
  "the largest revision": {
    events: [{ kv: { mod_revision: "9223372036854775807" } }],
  },
  "a cancellation for no reason": { canceled: true },
  "a compaction in the future": {
    canceled: true,
    compact_revision: "9223372036854775807",
  },
};

for (const [what, lie] of Object.entries(WATCH_LIES)) {
  Deno.test(`a watch bears ${what}`, async () => {
    await using etcd = await startTestEtcd();
    await using hostile = await startHostileEtcd({
      behind: etcd.endpoint,
      twist: (name, message) =>
        name === "Watch/Watch" && (message.events as unknown[]).length > 0
          ? [{ ...message, events: [], ...lie }]
          : [message],
    });
    await using store = new EtcdStore({ endpoints: [hostile.endpoint] });
    const watch = await store.watch("/x/");

    const next = watch.next();
    next.catch(() => {});
    await etcd.ctl("put", "/x/a", "1");

    // It may end with an error of the store's, or deliver what it can.
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, 5_000);
    const found = await Promise.race([
      next.then(() => undefined, (error: unknown) => error),
      late.promise,
    ]);
    clearTimeout(timer);
    ok(
      found === undefined || found instanceof StoreError,
      `it threw ${found}`,
    );
  });
}

Deno.test("a renewal of a lease of another shape ends the term, or is asked for again", async () => {
  for (
    const lie of [{}, { TTL: "-7" }, { TTL: "9223372036854775807" }, {
      ID: "1",
      TTL: "5",
    }]
  ) {
    await using etcd = await startTestEtcd();
    await using hostile = await startHostileEtcd({
      behind: etcd.endpoint,
      twist: (name, message) =>
        name === "Lease/LeaseKeepAlive"
          ? [{ header: message.header, ...lie }]
          : [message],
    });
    await using store = new EtcdStore({ endpoints: [hostile.endpoint] });
    const term = await store.campaign("n1", 2);
    const { signal } = term;
    if (!signal.aborted) {
      const over = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => over.resolve(), { once: true });
      const timer = setTimeout(over.resolve, 10_000);
      await over.promise;
      clearTimeout(timer);
    }
    const keys = await etcd.ctl("get", "--prefix", "/kat/leader_election/");
    // Whoever believes to lead must have a key that etcd still holds.
    ok(signal.aborted || keys !== "", JSON.stringify(lie));
  }
});
