import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import {
  type DatagramReceiver,
  receiveDatagrams,
} from "../fakes/datagram_receiver.ts";
import { freePorts } from "../machine/free_ports.ts";
import { tempDir } from "../machine/temp_dir.ts";

const ignore = Deno.build.os !== "linux";

/** Collects messages up to the first one that holds `text`. */
async function until(
  systemd: DatagramReceiver,
  text: string,
): Promise<string[]> {
  const messages: string[] = [];
  while (true) {
    const message = (await systemd.next()).trimEnd();
    messages.push(message);
    if (message.includes(text)) return messages;
  }
}

Deno.test(
  "init reports to systemd and its watchdog, and etcd gets no variable of systemd",
  {
    ignore,
  },
  async () => {
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    const socket = `${dir.path}/notify`;
    using systemd = receiveDatagrams(socket);
    await using agent = startAgent(initArgs(file, `${dir.path}/data`), {
      env: {
        NOTIFY_SOCKET: socket,
        WATCHDOG_USEC: "1000000",
        JOURNAL_STREAM: "1:1",
      },
    });

    const start = await until(systemd, "STATUS=leader since ");
    const beats = await until(systemd, "WATCHDOG=1");
    const { fields } = await agent.logged("etcd started");
    const environment = await Deno.readTextFile(`/proc/${fields.pid}/environ`);
    agent.kill("SIGTERM");
    const stop = await until(systemd, "STOPPING=1");

    match(
      start.at(-1) ?? "",
      /^STATUS=leader since \d\d:\d\d, fence \d+, etcd \d+\.\d+\.\d+ healthy$/,
    );
    const ready = start.indexOf("READY=1");
    ok(ready >= 0, start.join("\n"));
    strictEqual(start.filter((message) => message === "READY=1").length, 1);
    ok(
      start.slice(0, ready).includes("EXTEND_TIMEOUT_USEC=60000000"),
      "more time while etcd is searched",
    );
    ok(start.slice(0, ready).some((text) => text.startsWith("STATUS=etcd ")));
    strictEqual(beats.at(-1), "WATCHDOG=1");
    match(environment, /KAT_AGENT_DATA_DIR/);
    deepStrictEqual(
      environment.match(/NOTIFY_SOCKET|WATCHDOG|JOURNAL_STREAM|LISTEN/),
      null,
    );
    strictEqual(stop.at(-1), "STOPPING=1\nSTATUS=stopping on SIGTERM");
  },
);

Deno.test(
  "init stops telling the watchdog when its etcd is frozen",
  { ignore },
  async () => {
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    const socket = `@kat-test-${crypto.randomUUID()}`;
    using systemd = receiveDatagrams(socket);
    await using agent = startAgent(initArgs(file, `${dir.path}/data`), {
      env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "4000000" },
    });
    await until(systemd, "STATUS=leader since ");
    await until(systemd, "WATCHDOG=1");
    const { fields } = await agent.logged("etcd started");

    Deno.kill(Number(fields.pid), "SIGSTOP");
    await until(systemd, "not well: etcd does not answer");
    const frozen = await agent.logged("The node is not well");
    Deno.kill(Number(fields.pid), "SIGCONT");
    const recovery = await until(systemd, "WATCHDOG=1");

    strictEqual(frozen.fields.reason, "etcd does not answer");
    ok(recovery.length >= 1);
  },
);

Deno.test(
  "init reports to systemd that it is ready and healthy while it waits for its peers",
  {
    ignore,
  },
  async () => {
    await using dir = await tempDir();
    const file = await writeClusterFile(dir.path);
    const [other] = freePorts(1);
    const socket = `${dir.path}/notify`;
    using systemd = receiveDatagrams(socket);
    await using _agent = startAgent([
      ...initArgs(file, `${dir.path}/data`),
      `--initial-cluster=n1=http://127.0.0.1:${file.peerPort},n2=http://127.0.0.2:${other}`,
    ], { env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "1000000" } });

    const start = await until(systemd, "STATUS=waiting for n2 ");
    const ready = start.includes("READY=1");
    const beats = await until(systemd, "WATCHDOG=1");

    ok(ready);
    match(start.at(-1) ?? "", /, etcd \d+\.\d+\.\d+ starting$/);
    strictEqual(beats.at(-1), "WATCHDOG=1");
  },
);

Deno.test("init reports its error to systemd", { ignore }, async () => {
  await using dir = await tempDir();
  const socket = `${dir.path}/notify`;
  using systemd = receiveDatagrams(socket);
  const { code, stderr } = await runAgent(
    ["init", "--config=/nowhere/cluster.kat", `--data-dir=${dir.path}/data`],
    { env: { NOTIFY_SOCKET: socket } },
  );
  const [status = ""] = await until(systemd, "STATUS=");
  ok(code !== 0);
  match(status, /^STATUS=\/nowhere\/cluster\.kat: cannot be read/);
  ok(stderr.includes(`kat-agent: ${status.slice("STATUS=".length)}\n`));
});
