import { rejects } from "node:assert/strict";
import { eventually } from "../../../tests/machine/eventually.ts";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import { startTestEtcd } from "../../../tests/machine/test_etcd.ts";
import { EtcdCallError } from "./etcd_call_error.ts";
import { EtcdConnection } from "./etcd_connection.ts";
import { EMPTY_READ } from "./store_position.ts";

const HOUR_MS = 3_600_000;

/** The wall clock, an hour back. */
function setBack(RightDate: DateConstructor): DateConstructor {
  const now = () => RightDate.now() - HOUR_MS;
  return new Proxy(RightDate, {
    construct: (target, args) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args),
    get: (target, name) => name === "now" ? now : Reflect.get(target, name),
  });
}

Deno.test("EtcdConnection.call() ends in time when the wall clock is set back meanwhile", async () => {
  // It takes connections, and says nothing on them.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken: Deno.Conn[] = [];
  const taking = (async () => {
    for await (const connection of listener) taken.push(connection);
  })().catch(() => {});
  const { port } = listener.addr as Deno.NetAddr;
  using connection = new EtcdConnection(`http://127.0.0.1:${port}`);
  const RightDate = Date;
  let settled = false;

  const call = connection.call("KV", "range", {}, { timeoutMs: 500 })
    .finally(() => settled = true);
  globalThis.Date = setBack(RightDate);
  try {
    const failed = rejects(call, EtcdCallError);
    await eventually(() => {
      if (!settled) throw new Error("The call goes on");
    }, { withinMs: 10_000 });
    await failed;
  } finally {
    globalThis.Date = RightDate;
  }
  listener.close();
  await taking;
  for (const one of taken) one.close();
});

Deno.test("EtcdConnection.call() ends in time although gRPC's own timer does not", async () => {
  await using etcd = await startTestEtcd();
  const clock = new FakeClock();
  using connection = new EtcdConnection(etcd.endpoint, { clock });
  const read = () =>
    connection.call("KV", "range", EMPTY_READ, { timeoutMs: 600_000 });
  await read();
  etcd.signal("SIGSTOP");
  try {
    const failed = rejects(read(), /No answer in time/);
    // gRPC waits ten minutes of the machine's own time.
    await clock.advance(601_000);
    await failed;
  } finally {
    etcd.signal("SIGCONT");
  }
});
