import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import type { EtcdClient } from "../../etcd/client/etcd_client.ts";
import {
  type DuplexCall,
  MessageStream,
} from "../../etcd/client/message_stream.ts";
import { EtcdWatch } from "./etcd_watch.ts";
import { CompactedError } from "../state_store.ts";

/** What a member answers on one stream, in order; then the stream ends. */
type Script = readonly Record<string, unknown>[];

const CREATED = { created: true, canceled: false, events: [] };

function events(...revisions: number[]): Record<string, unknown> {
  return {
    canceled: false,
    compact_revision: "0",
    events: revisions.map((revision) => ({
      type: "Put",
      kv: {
        key: Buffer.from("/a"),
        value: Buffer.from(`${revision}`),
        mod_revision: `${revision}`,
      },
      prev_kv: null,
    })),
  };
}

/** What a member hears and says on one stream. */
interface Line {
  readonly hear: (request: Record<string, Record<string, string>>) => void;
  readonly onOpen?: (call: FakeCall) => void;
  readonly onCancel?: () => void;
}

/** The transport's end of a stream, in the test's hands. */
class FakeCall implements DuplexCall {
  readonly #line: Line;
  readonly #handlers = new Map<string, (argument: never) => void>();

  constructor(line: Line) {
    this.#line = line;
  }

  /** The member says something, or ends the stream. */
  say(message: Record<string, unknown> | undefined): void {
    if (message) this.#handlers.get("data")?.(message as never);
    else this.#handlers.get("end")?.(undefined as never);
  }

  write(message: never): boolean {
    this.#line.hear(message);
    return true;
  }

  cancel(): void {
    this.#line.onCancel?.();
  }

  pause(): void {}

  resume(): void {}

  on(event: string, handler: (argument: never) => void): void {
    this.#handlers.set(event, handler);
  }
}

function streamOf(line: Line): MessageStream<unknown, unknown> {
  const call = new FakeCall(line);
  const stream = new MessageStream(call, {
    toError(error) {
      throw error;
    },
  });
  line.onOpen?.(call);
  return stream;
}

/** A client whose streams follow scripts; it remembers from where each was asked to start. */
function scripted(...scripts: Script[]) {
  const starts: string[] = [];
  const client = {
    preferNextMember() {},
    stream() {
      const script = scripts.shift() ?? [];
      let member: FakeCall;
      return Promise.resolve(streamOf({
        onOpen: (call) => void (member = call),
        hear({ create_request }) {
          starts.push(create_request?.start_revision ?? "");
          for (const message of script) member.say(message);
          member.say(undefined);
        },
      }));
    },
  } as unknown as EtcdClient;
  return { client, starts };
}

async function open(client: EtcdClient) {
  const clock = new FakeClock();
  const watch = await EtcdWatch.open({
    client,
    clock,
    keyOrPrefix: "/a",
    startRevision: 5n,
    signal: new AbortController().signal,
  });
  return { clock, watch };
}

Deno.test("EtcdWatch resumes after the last event and delivers nothing twice that a member repeats", async () => {
  const { client, starts } = scripted(
    [CREATED, events(5, 6), events(7)],
    [CREATED, events(6, 7, 8)],
    [CREATED, events(8), events(9)],
  );
  const { clock, watch } = await open(client);
  const versions: bigint[] = [];
  while (versions.length < 5) {
    const next = watch.next();
    await clock.advance(10_000);
    versions.push((await next).value?.kv.version ?? 0n);
  }
  deepStrictEqual(versions, [5n, 6n, 7n, 8n, 9n]);
  deepStrictEqual(starts, ["4", "7", "8"]);
  watch.close();
});

Deno.test("EtcdWatch resumes within a revision that a fragment cut apart", async () => {
  const part = (...revisions: number[]) => ({
    ...events(...revisions),
    fragment: true,
  });
  const { client, starts } = scripted(
    // Of revision 6 three events come, and then the stream breaks.
    [CREATED, part(5, 6), part(6, 6)],
    // A member that is in the middle of it as well.
    [CREATED, part(5, 6), part(6, 6, 6)],
    [CREATED, part(5, 6, 6), events(6, 6, 7), part(8), events(8, 9)],
  );
  const { clock, watch } = await open(client);
  const versions: bigint[] = [];
  while (versions.length < 9) {
    const next = watch.next();
    await clock.advance(10_000);
    versions.push((await next).value?.kv.version ?? 0n);
  }
  deepStrictEqual(versions, [5n, 6n, 6n, 6n, 6n, 7n, 8n, 8n, 9n]);
  deepStrictEqual(starts, ["4", "5", "5"]);
  watch.close();
});

Deno.test("EtcdWatch tells compaction apart from a cancellation that is temporary", async () => {
  const cancelled = { ...events(), canceled: true, cancel_reason: "busy" };
  const compacted = { ...cancelled, compact_revision: "12" };
  const { client, starts } = scripted(
    [CREATED, events(5), cancelled],
    [CREATED, events(6), compacted],
  );
  const { clock, watch } = await open(client);
  await watch.next();
  const second = watch.next();
  await clock.advance(10_000);
  deepStrictEqual((await second).value?.kv.version, 6n);
  await rejects(
    watch.next(),
    (error: unknown) =>
      error instanceof CompactedError && error.compactRevision === 12n,
  );
  deepStrictEqual(starts, ["4", "5"]);
});

Deno.test("EtcdWatch goes on where only what it has delivered is compacted", async () => {
  const edge = { ...events(), canceled: true, compact_revision: "5" };
  const { client, starts } = scripted(
    [CREATED, edge],
    [CREATED, events(5)],
    [CREATED, events(6)],
  );
  const { clock, watch } = await open(client);
  for (const version of [5n, 6n]) {
    const next = watch.next();
    await clock.advance(10_000);
    deepStrictEqual((await next).value?.kv.version, version);
  }
  deepStrictEqual(starts, ["4", "5", "5"]);
  watch.close();
});

Deno.test("EtcdWatch asks a quiet stream for a sign of life, and opens a silent one anew from the last event", async () => {
  const starts: string[] = [];
  let asked = 0;
  let moved = 0;
  const client = {
    preferNextMember: () => void (moved += 1),
    stream() {
      let member: FakeCall;
      const isFirst = starts.length === 0;
      return Promise.resolve(streamOf({
        onOpen: (call) => void (member = call),
        hear({ create_request, progress_request }) {
          if (progress_request) {
            asked += 1;
            // The first stream shows life once, and then is silent.
            if (isFirst && asked === 1) member.say(events());
            return;
          }
          starts.push(create_request?.start_revision ?? "");
          member.say(CREATED);
          if (!isFirst) member.say(events(5));
        },
      }));
    },
  } as unknown as EtcdClient;
  const { clock, watch } = await open(client);
  const next = watch.next();
  await clock.advance(24_900);
  deepStrictEqual({ starts, asked, moved }, {
    starts: ["4"],
    asked: 2,
    moved: 0,
  });
  await clock.advance(10_000);
  deepStrictEqual((await next).value?.kv.version, 5n);
  deepStrictEqual({ starts, moved }, { starts: ["4", "4"], moved: 1 });
  watch.close();
});

Deno.test("EtcdWatch.open() leaves no stream open, at whatever moment it is called off", async () => {
  for (let turns = 0; turns < 40; turns++) {
    let open = 0;
    const client = {
      preferNextMember() {},
      stream() {
        open++;
        return Promise.resolve(streamOf({
          hear() {},
          onOpen: (call) => call.say(CREATED),
          onCancel: () => void open--,
        }));
      },
    } as unknown as EtcdClient;
    const off = new AbortController();
    const opening = EtcdWatch.open({
      client,
      clock: new FakeClock(),
      keyOrPrefix: "/a",
      startRevision: 5n,
      signal: off.signal,
    }).catch((error) => ok(off.signal.aborted, String(error)));

    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    off.abort(new Error("called off"));
    await opening;

    ok(open <= 0, `called off after ${turns} turns`);
  }
});

Deno.test("EtcdWatch.next() asks nothing of a member while the reader is busy, however long", async () => {
  let asked = 0;
  let member: FakeCall | undefined;
  const client = {
    preferNextMember() {},
    stream: () =>
      Promise.resolve(streamOf({
        onOpen: (call) => void (member = call),
        hear({ progress_request }) {
          if (progress_request) asked += 1;
          else member?.say(CREATED);
        },
      })),
  } as unknown as EtcdClient;
  const { clock, watch } = await open(client);
  member?.say(events(5, 6));
  deepStrictEqual((await watch.next()).value?.kv.version, 5n);
  await clock.advance(60_000);
  deepStrictEqual(asked, 0);

  deepStrictEqual((await watch.next()).value?.kv.version, 6n);
  const next = watch.next();
  await clock.advance(9_900);
  deepStrictEqual(asked, 0);
  await clock.advance(200);
  deepStrictEqual(asked, 1);
  member?.say(events(7));
  deepStrictEqual((await next).value?.kv.version, 7n);
  await clock.advance(60_000);
  deepStrictEqual(asked, 1);
  watch.close();
});

Deno.test("EtcdWatch.next() serves waiting calls in their order, also calls that come while events are at hand", async () => {
  const { client } = scripted([CREATED, events(5, 6, 7), events(8, 9)]);
  const { watch } = await open(client);
  const seen: string[] = [];
  const asking: Promise<unknown>[] = [];
  const ask = (name: string) =>
    void asking.push(
      watch.next().then(({ value }) =>
        seen.push(`${name}${value?.kv.version}`)
      ),
    );
  ask("a");
  ask("b");
  // A call in any later turn waits behind earlier calls.
  for (const name of ["c", "d", "e"]) {
    for (let turn = 0; turn < 2; turn++) await Promise.resolve();
    ask(name);
  }
  await Promise.all(asking);
  deepStrictEqual(seen, ["a5", "b6", "c7", "d8", "e9"]);
  watch.close();
});
