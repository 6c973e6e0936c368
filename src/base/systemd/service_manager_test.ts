import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { receiveDatagrams } from "../../../tests/fakes/datagram_receiver.ts";
import { ServiceManager } from "./service_manager.ts";

/** systemd, and senders without a path of their own, are Linux's. */
const ignore = Deno.build.os !== "linux";

Deno.test(
  "ServiceManager tells a socket with a path, each message by itself and in order",
  { ignore },
  async () => {
    const dir = await Deno.makeTempDir();
    try {
      using systemd = receiveDatagrams(`${dir}/notify`);
      await using manager = ServiceManager.connect({
        NOTIFY_SOCKET: `${dir}/notify`,
      });
      manager?.tell({ READY: 1, STATUS: "leader since 14:02\nREADY=0" });
      manager?.tell({ STOPPING: 1 });

      strictEqual(
        await systemd.next(),
        "READY=1\nSTATUS=leader since 14:02\\u000aREADY=0\n",
      );
      strictEqual(await systemd.next(), "STOPPING=1\n");
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
);

Deno.test("ServiceManager tells an abstract socket", { ignore }, async () => {
  const name = `@kat-test-${crypto.randomUUID()}`;
  using systemd = receiveDatagrams(name);
  await using manager = ServiceManager.connect({ NOTIFY_SOCKET: name });
  manager?.tell({ WATCHDOG: 1 });
  strictEqual(await systemd.next(), "WATCHDOG=1\n");
});

Deno.test("ServiceManager.connect() finds no systemd outside of one and refuses what is not a socket", () => {
  strictEqual(ServiceManager.connect({}), undefined);
  strictEqual(ServiceManager.connect({ NOTIFY_SOCKET: "" }), undefined);
  throws(() => ServiceManager.connect({ NOTIFY_SOCKET: "vsock:2:1" }));
});

Deno.test(
  "ServiceManager goes on when no program receives",
  { ignore },
  async () => {
    const manager = ServiceManager.connect({
      NOTIFY_SOCKET: "/nowhere/notify",
    });
    for (let n = 0; n < 1_000; n++) manager?.tell({ WATCHDOG: 1 });
    await manager?.[Symbol.asyncDispose]();
    ok(manager);
  },
);

Deno.test(
  "ServiceManager.watchdogMs holds for this process alone",
  { ignore },
  async () => {
    const found: (number | undefined)[] = [];
    for (
      const env of [
        { WATCHDOG_USEC: "60000000", WATCHDOG_PID: String(Deno.pid) },
        { WATCHDOG_USEC: "1500000" },
        { WATCHDOG_USEC: "60000000", WATCHDOG_PID: "1" },
        { WATCHDOG_USEC: "0" },
        { WATCHDOG_USEC: "soon" },
        {},
      ]
    ) {
      await using manager = ServiceManager.connect({
        NOTIFY_SOCKET: "/nowhere/notify",
        ...env,
      });
      found.push(manager?.watchdogMs);
    }
    deepStrictEqual(found, [
      60_000,
      1_500,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  },
);
