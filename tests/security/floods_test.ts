/**
 * What the first attack did not run: floods of frames and events, and a proxy
 * that repeats. Memory stays bounded, a stop is obeyed, and what was seen once is
 * not believed a second time.
 *
 * @module
 */

import { ok, rejects, strictEqual } from "node:assert/strict";
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
import { ctlJson } from "./fakes/ctl_json.ts";
import { type Http2Frame, startFrameProxy } from "./fakes/frame_proxy.ts";
import { startHostileEtcd } from "./fakes/hostile_etcd.ts";
import { runMeasured } from "./fakes/measured_run.ts";

const MIB = 1024 ** 2;
/** A program from source takes 150 MB. */
const MOST_BYTES = 320 * MIB;
/** How long a flood lasts. */
const FLOOD_MS = 5_000;

function* endless(frame: Http2Frame): Generator<Http2Frame> {
  while (true) yield frame;
}

function* headersWithoutEnd(): Generator<Http2Frame> {
  const payload = new Uint8Array(16_000);
  // A name and a value of a literal header each, over and over.
  for (let at = 0; at + 4 <= payload.length; at += 4) {
    payload.set([0, 1, 97, 0], at);
  }
  yield { type: 1, stream: 1, payload };
  while (true) yield { type: 9, stream: 1, payload };
}

const FLOODS: Readonly<Record<string, () => Iterable<Http2Frame>>> = {
  pings: () => endless({ type: 6, payload: new Uint8Array(8) }),
  settings: () =>
    endless({ type: 4, payload: new Uint8Array([0, 4, 0, 1, 0, 0]) }),
  "window updates": () =>
    endless({ type: 8, payload: new Uint8Array([0, 0, 0, 0]) }),
  priorities: () =>
    endless({ type: 2, stream: 1, payload: new Uint8Array([0, 0, 0, 3, 1]) }),
  "unknown frames": () => endless({ type: 99, payload: new Uint8Array(16) }),
  "headers without an end": headersWithoutEnd,
  "pushed streams": () =>
    endless({
      type: 5,
      flags: 4,
      stream: 1,
      payload: new Uint8Array([0, 0, 0, 2, 0x82]),
    }),
  "goaways": () => endless({ type: 7, payload: new Uint8Array(8) }),
};

for (const [what, inject] of Object.entries(FLOODS)) {
  for (const reads of [true, false]) {
    Deno.test(
      `an agent bears endless ${what} of a server that ${
        reads ? "reads" : "does not read"
      } what it says, and stops when told to`,
      {
        ignore: Deno.build.os !== "linux",
      },
      async () => {
        await using etcd = await startTestEtcd();
        await makeCluster(etcd.endpoint, 5);
        await using proxy = startFrameProxy({ port: etcd.port, inject, reads });

        const { code, peakBytes, stderr } = await runMeasured([
          "run",
          `--endpoints=${proxy.endpoint}`,
          "--node-name=n1",
        ], { stopAfterMs: FLOOD_MS });

        ok(proxy.injectedBytes > 0, "nothing was put in");
        strictEqual(code, 0, stderr.slice(-2_000));
        ok(
          peakBytes < MOST_BYTES,
          `it took ${Math.round(peakBytes / MIB)} MiB`,
        );
      },
    );
  }
}

/** A message of a watch of the cluster at `endpoint`, over and over. */
async function* watchFlood(
  message: Message,
  endpoint: string,
): AsyncGenerator<Uint8Array> {
  const [{ Status: { header } }] = await ctlJson(
    endpoint,
    "endpoint",
    "status",
  ) as [{ Status: { header: Message } }];
  yield frame(encodeMessage("WatchResponse", { header, created: true }));
  const one = frame(encodeMessage("WatchResponse", { header, ...message }));
  while (true) {
    yield one;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

const EVENT = {
  type: "PUT",
  kv: {
    key: btoa("/kat/leader_election/1"),
    value: "A".repeat(64 * 1024),
    mod_revision: "1000000",
    create_revision: "1000000",
  },
};

for (
  const [what, message] of [
    ["events", { events: [EVENT] }],
    ["empty messages", {}],
    ["large messages", { events: Array(512).fill(EVENT) }],
  ] as const
) {
  for (
    const [name, args, readsOutput] of [
      ["store watch", ["store", "watch", "/kat/"], true],
      ["store watch that nobody reads", ["store", "watch", "/kat/"], false],
      ["run", ["run", "--node-name=n1"], true],
    ] as const
  ) {
    Deno.test(
      `${name} bears endless ${what} of a watch, and stops when told to`,
      {
        ignore: Deno.build.os !== "linux",
      },
      async () => {
        await using etcd = await startTestEtcd();
        await makeCluster(etcd.endpoint, 5);
        await using hostile = await startHostileEtcd({
          behind: etcd.endpoint,
          lie: ({ name }) =>
            name === "Watch/Watch"
              ? { raw: watchFlood(message, etcd.endpoint) }
              : undefined,
        });

        const { code, peakBytes, stderr } = await runMeasured(
          [...args, `--endpoints=${hostile.endpoint}`],
          { stopAfterMs: FLOOD_MS, readsOutput },
        );

        strictEqual(code, 0, stderr.slice(-2_000));
        ok(
          peakBytes < MOST_BYTES,
          `it took ${Math.round(peakBytes / MIB)} MiB`,
        );
      },
    );
  }
}

/** Answers each call of these names as it was answered first, from a moment on. */
async function startReplayer(
  behind: string,
  names: readonly CallName[],
) {
  const first = new Map<CallName, Message>();
  const state = { replays: false };
  const hostile = await startHostileEtcd({
    behind,
    async lie({ name, real }) {
      if (!names.includes(name)) return undefined;
      const known = first.get(name);
      if (state.replays && known) return { messages: [known] };
      const message = await real();
      if (!known) first.set(name, message);
      return { messages: [message] };
    },
  });
  return Object.assign(hostile, {
    replay: () => void (state.replays = true),
  });
}

Deno.test("a store does not take an answer for a write that an older write had", async () => {
  await using etcd = await startTestEtcd();
  await using replayer = await startReplayer(etcd.endpoint, ["KV/Put"]);
  await using store = new EtcdStore({ endpoints: [replayer.endpoint] });
  const value = new Uint8Array([1]);
  const first = await store.put("/a", value);
  const second = await store.put("/a", value);
  replayer.replay();

  // It was not done, so that a version for it would be a lie.
  await rejects(store.put("/b", value), Error);
  ok(second > first);
});

Deno.test("a store does not take an older answer for a read after a newer one", async () => {
  await using etcd = await startTestEtcd();
  await using replayer = await startReplayer(etcd.endpoint, ["KV/Range"]);
  await using store = new EtcdStore({ endpoints: [replayer.endpoint] });
  const bytes = (text: string) => new TextEncoder().encode(text);
  await store.put("/a", bytes("old"));
  await store.get("/a");
  await store.put("/a", bytes("new"));
  strictEqual(text(await store.get("/a")), "new");
  replayer.replay();

  await rejects(store.get("/a", { timeoutMs: 3_000 }), Error);
});

function text(kv: { readonly value: Uint8Array } | undefined): string {
  return new TextDecoder().decode(kv?.value);
}

Deno.test("an agent's fence does not go back behind a proxy that repeats answers", async () => {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 2);
  await using replayer = await startReplayer(etcd.endpoint, [
    "KV/Txn",
    "Lease/LeaseGrant",
  ]);
  await using agent = startAgent([
    "run",
    `--endpoints=${replayer.endpoint}`,
    "--node-name=n1",
  ]);
  await agent.logged("Became leader");
  const leads = () =>
    agent.lines.filter(({ message }) => message.startsWith("Became leader"));
  // A second term of its own, so that the first answers are old.
  await etcd.ctl("del", "--prefix", "/kat/leader_election/");
  await eventually(() => ok(leads().length >= 2), { withinMs: 60_000 });
  replayer.replay();
  const before = agent.lines.length;
  const calls = replayer.calls.length;
  await etcd.ctl("del", "--prefix", "/kat/leader_election/");
  await eventually(
    () =>
      ok(
        leads().length >= 3 ||
          agent.lines.length > before && replayer.calls.length > calls + 20,
      ),
    { withinMs: 60_000 },
  );

  const fences = leads().map(({ fields }) => BigInt(String(fields.fence)));
  for (const [index, fence] of fences.entries()) {
    ok(fence > (fences[index - 1] ?? 0n), `fences: ${fences.join(", ")}`);
  }
});

Deno.test(
  "a store bears a connection on which every byte of the server comes twice",
  {
    // gRPC's timer for its next attempt to connect outlives a closed channel.
    sanitizeOps: false,
    sanitizeResources: false,
  },
  async () => {
    await using etcd = await startTestEtcd();
    await using proxy = startTwice(etcd.port);
    await using store = new EtcdStore({ endpoints: [proxy.endpoint] });

    await rejects(
      store.put("/a", new Uint8Array([1]), { timeoutMs: 3_000 }),
      StoreError,
    );
  },
);

/** A proxy that says twice what the server says. */
function startTwice(
  port: number,
): AsyncDisposable & { readonly endpoint: string } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const serve = async (client: Deno.Conn) => {
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    open.add(client).add(server);
    const up = client.readable.pipeTo(server.writable).catch(() => {});
    const writer = client.writable.getWriter();
    try {
      for await (const piece of server.readable) {
        await writer.write(piece);
        await writer.write(piece.slice());
      }
    } catch {
      // The client has had enough.
    }
    await up;
  };
  const accepting = (async () => {
    for await (const client of listener) void serve(client).catch(() => {});
  })();
  return {
    endpoint: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting.catch(() => {});
      for (const connection of open) {
        try {
          connection.close();
        } catch {
          // It is closed already.
        }
      }
    },
  };
}
