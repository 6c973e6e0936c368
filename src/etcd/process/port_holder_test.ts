import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { KatError } from "../../base/errors.ts";
import { assertPortsFree, type WantedPort } from "./port_holder.ts";
import { HAS_PROC } from "../../base/process_table.ts";

function wanted(port: number, address = "127.0.0.1"): WantedPort {
  return { purpose: "client", address, port, setting: "spec.etcdClientPort" };
}

/** A port that was free a moment ago. */
function freePort(hostname: string): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

async function refusal(port: WantedPort): Promise<KatError> {
  const error = await assertPortsFree([port]).then(() => undefined, (e) => e);
  ok(error instanceof KatError, String(error));
  return error;
}

Deno.test("assertPortsFree() lets free ports be, and leaves them free", async () => {
  const port = freePort("127.0.0.1");

  await assertPortsFree([wanted(port)]);
  await assertPortsFree([wanted(port)]);

  Deno.listen({ hostname: "127.0.0.1", port }).close();
});

/** Containers often have no IPv6. */
function hasIPv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

for (
  const [address, listensOn] of [
    ["127.0.0.1", "127.0.0.1"],
    ["127.0.0.1", "0.0.0.0"],
    ...(hasIPv6() ? [["::1", "::1"], ["::1", "::"]] as const : []),
  ] as const
) {
  Deno.test(`assertPortsFree() names who has ${address} when a program listens on ${listensOn}`, async () => {
    using taken = Deno.listen({ hostname: listensOn, port: 0 });
    const { port } = taken.addr as Deno.NetAddr;

    const error = await refusal(wanted(port, address));

    match(error.message, new RegExp(`:${port} for etcd's clients`));
    match(
      error.message,
      HAS_PROC
        ? new RegExp(`taken by process ${Deno.pid} \\(.*deno.*\\)$`)
        : /taken by another program$/,
    );
    match(error.hint ?? "", /spec\.etcdClientPort/);
  });
}

Deno.test("assertPortsFree() looks at every port", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const peer: WantedPort = {
    purpose: "peer",
    address: "127.0.0.1",
    port,
    setting: "spec.etcdPeerPort",
  };

  await rejects(
    assertPortsFree([wanted(freePort("127.0.0.1")), peer]),
    /for etcd's peers: the port is taken/,
  );
});

Deno.test("assertPortsFree() does not advise to change a port that the cluster was made with", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;

  const error = await refusal({ ...wanted(port), isFixed: true });

  strictEqual(
    error.hint,
    "End that program; spec.etcdClientPort cannot change, because the cluster was made with it",
  );
});

/** A process that listens on a port of its own and is marked as an agent's etcd. */
async function startMarked(dataDir: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      'console.log(Deno.listen({ hostname: "127.0.0.1", port: 0 }).addr.port);' +
      "await new Promise(() => setInterval(() => {}, 1_000_000));",
    ],
    env: { KAT_AGENT_DATA_DIR: dataDir },
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await lines.read();
  return {
    port: Number(value),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await lines.cancel();
    },
  };
}

Deno.test(
  "assertPortsFree() tells the etcd of another agent, which may still be stopping",
  { ignore: !HAS_PROC },
  async () => {
    await using marked = await startMarked("/srv/kat/etcd");

    const error = await refusal(wanted(marked.port));

    match(
      error.hint ?? "",
      /the etcd of the kat-agent that uses "\/srv\/kat\/etcd": stop that agent, or wait/,
    );
  },
);

Deno.test(
  "assertPortsFree() tells the node's own etcd, which may still be stopping",
  { ignore: !HAS_PROC },
  async () => {
    const dataDir = "/srv/kat/etcd";
    await using marked = await startMarked(dataDir);

    for (const isFixed of [false, true]) {
      const error = await refusal({ ...wanted(marked.port), dataDir, isFixed });

      match(
        error.hint ?? "",
        /^It is this node's own etcd, .*wait some seconds/,
      );
    }
  },
);

Deno.test("assertPortsFree() says so when a port cannot be reached from this machine", async () => {
  const connect = Deno.connect;
  try {
    // As the kernel answers while the interface lo is down.
    Object.assign(Deno, {
      connect: () => Promise.reject(new Error("Network is unreachable")),
    });
    const error = await refusal(wanted(freePort("127.0.0.1")));

    match(error.message, /^Cannot reach 127\.0\.0\.1 from this machine itself/);
    match(error.hint ?? "", /interface lo up\?/);
  } finally {
    Object.assign(Deno, { connect });
  }
});

Deno.test("assertPortsFree() points at the address when this machine does not have it", async () => {
  const error = await refusal(wanted(2379, "192.0.2.1"));

  match(error.message, /this machine does not have that address/);
  match(error.hint ?? "", /--advertise-address/);
});

Deno.test("assertPortsFree() explains a port that needs a right", async () => {
  // Root may use every port, so the kernel's answer is played here.
  const listen = Deno.listen;
  try {
    Object.assign(Deno, {
      listen: () => {
        throw new Deno.errors.PermissionDenied("Permission denied");
      },
    });
    const error = await refusal(wanted(1));

    match(error.message, /ports below 1024 need a special permission/);
    strictEqual(error.hint?.includes("spec.etcdClientPort"), true);
    const fixed = await refusal({ ...wanted(1), isFixed: true });
    match(fixed.hint ?? "", /^Run kat-agent as root.* cannot change/);
  } finally {
    Object.assign(Deno, { listen });
  }
});
