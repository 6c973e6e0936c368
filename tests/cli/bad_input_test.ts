import { match, ok, strictEqual } from "node:assert/strict";
import { runAgent, startAgent } from "../machine/agent_process.ts";
import {
  type BadInput,
  edit,
  init,
  makeNode,
  testBadInputs,
} from "./bad_input.ts";
import { writeClusterFile } from "../machine/cluster_file.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";
import { tempDir } from "../machine/temp_dir.ts";

function listen(port: number): AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  return {
    [Symbol.asyncDispose]: () => Promise.resolve(listener.close()),
  };
}

const BAD_INPUTS: readonly BadInput[] = [
  // The command line
  {
    name: "no command",
    args: () => [],
    code: 2,
    says: /Missing command: one of init, run/,
  },
  { name: "an unknown command", args: () => ["frob"], code: 2, says: /`frob`/ },
  {
    name: "an unknown flag",
    args: () => ["init", "--confg", "x"],
    code: 2,
    says: /`--confg`[^]*config/,
  },
  {
    name: "a flag without its value",
    args: () => ["init", "--config"],
    code: 2,
    says: /`--config` requires `FILE`/,
  },
  {
    name: "a flag with an empty value",
    args: () => ["init", "--config="],
    code: 2,
    says: /the value is empty/,
  },
  {
    name: "a flag given twice",
    args: () => ["init", "-c", "a", "-c", "b"],
    code: 2,
    says: /cannot be used multiple times/,
  },
  {
    name: "config new on a file that is there",
    args: ({ file }) => ["config", "new", file.path],
    code: 1,
    says: /cluster\.kat": it exists already/,
  },
  {
    name: "config new on a directory",
    given: ({ dir }) => Deno.mkdir(`${dir}/new.kat`),
    args: ({ dir }) => ["config", "new", `${dir}/new.kat`],
    code: 1,
    says: /it exists already/,
  },
  {
    name: "run with --config",
    args: () => ["run", "--config=cluster.kat"],
    code: 2,
    says: /Cannot use --config with kat-agent run\n.*kat-agent init --config/,
  },
  {
    name: "an argument too many",
    args: () => ["store", "get", "/a", "/b"],
    code: 2,
    says: /`\/b`/,
  },
  {
    name: "a wrong log format",
    args: (p) => init(p, "--log-format=xml"),
    code: 2,
    says: /"text" and "json"/,
  },
  {
    name: "a wrong log level in the environment",
    args: init,
    env: { KAT_LOG_LEVEL: "loud" },
    code: 2,
    says: /KAT_LOG_LEVEL="loud"[^]*debug, info/,
  },
  {
    name: "a node name with a comma",
    args: (p) => init(p).with(3, "--node-name=a,b"),
    code: 2,
    says: /"a,b"/,
  },
  {
    name: "a node name that would colour the terminal",
    args: (p) => init(p).with(3, "--node-name=\x1b[31mred"),
    code: 2,
    says: /Cannot use "\\u001b\[31mred"/,
  },
  {
    name: "an unspecified address",
    args: (p) => init(p, "--advertise-address=0.0.0.0"),
    code: 2,
    says: /0\.0\.0\.0/,
  },
  {
    name: "an address that is none",
    args: (p) => init(p, "--advertise-address=host"),
    code: 2,
    says: /Cannot advertise "host"/,
  },
  {
    name: "an initial cluster without this node",
    args: (p) => init(p, "--initial-cluster=n2=http://127.0.0.1:2380"),
    code: 2,
    says: /"n1", in --initial-cluster: it names "n2"/,
  },
  {
    name: "an initial cluster with another port for this node",
    args: (p) =>
      init(p, "--initial-cluster=n1=http://127.0.0.1:1,n2=http://127.0.0.2:1"),
    code: 2,
    says: /this node's peer URL is/,
  },
  {
    name: "an initial cluster on all addresses",
    args: (p) => init(p, "--initial-cluster=n1=http://0.0.0.0:2380"),
    code: 2,
    says: /0\.0\.0\.0/,
  },
  {
    name: "https among the endpoints",
    args: () => ["run", "--endpoints=https://127.0.0.1:2379"],
    code: 2,
    says: /TLS/,
  },
  {
    name: "run with --endpoints and --data-dir",
    args: (
      { data },
    ) => ["run", "--endpoints=http://127.0.0.1:1", `--data-dir=${data}`],
    code: 2,
    says: /Cannot use --endpoints together/,
  },

  // cluster.kat
  {
    name: "a configuration that is not there",
    args: (p) => init(p).with(1, `--config=${p.dir}/none.kat`),
    code: 78,
    says: /none\.kat: /,
  },
  {
    name: "a configuration that is a directory",
    args: (p) => init(p).with(1, `--config=${p.dir}`),
    code: 78,
    says: /directory/,
  },
  {
    name: "a configuration that is a device",
    args: (p) => init(p).with(1, "--config=/dev/zero"),
    code: 78,
    says: /\/dev\/zero: /,
  },
  {
    name: "a configuration with two errors",
    given: (p) =>
      edit(
        p,
        "clusterCIDR: 10.100.0.0/16",
        "clusterCIDR: 10.100.0.1/16\n  agentPort: 0x10\n  apiPrt: 1",
      ),
    args: init,
    code: 78,
    says:
      /cluster\.kat:6:\d+: spec\.clusterCIDR: [^]*cluster\.kat:7:\d+: spec\.agentPort: [^]*apiPrt[^]*apiPort/,
  },
  {
    name: "config validate with the same error",
    given: (p) =>
      edit(p, "clusterCIDR: 10.100.0.0/16", "clusterCIDR: 10.100.0.1/16"),
    args: ({ file }) => ["config", "validate", file.path],
    code: 78,
    says: /cluster\.kat:6:\d+: spec\.clusterCIDR: /,
  },

  // The data directory
  {
    name: "a data directory of another program",
    async given({ data }) {
      await Deno.mkdir(data);
      await Deno.writeTextFile(`${data}/important`, "data");
    },
    args: init,
    code: 1,
    says: /it holds "important" and no node\.json/,
  },
  {
    name: "a data directory that is a file",
    given: ({ data }) => Deno.writeTextFile(data, "text"),
    args: init,
    code: 1,
    says: /data"?: it is not a directory/,
  },
  {
    name: "a data directory whose etcd was made by hand",
    async given({ data }) {
      await Deno.mkdir(`${data}/etcd/member/wal`, { recursive: true });
    },
    args: init,
    code: 1,
    says: /it holds "etcd" and no node\.json/,
  },
  {
    name: "a data directory with a damaged node.json",
    async given(place) {
      await makeNode(place);
      await Deno.writeTextFile(`${place.data}/node.json`, "{");
    },
    args: init,
    code: 1,
    says: /node\.json: it is no JSON/,
  },
  {
    name: "a data directory that has lost its node.json",
    async given(place) {
      await makeNode(place);
      await Deno.remove(`${place.data}/node.json`);
    },
    args: init,
    code: 1,
    says: /node\.json is missing from it\n.*restore node\.json/,
  },
  {
    name: "a node.json that is a pipe",
    async given(place) {
      await makeNode(place);
      await Deno.remove(`${place.data}/node.json`);
      const { success } = await new Deno.Command("mkfifo", {
        args: [`${place.data}/node.json`],
      }).output();
      ok(success);
    },
    args: init,
    code: 1,
    says: /node\.json": it is not a regular file/,
  },
  {
    name: "a lock that is a link to another file",
    async given({ dir, data }) {
      await Deno.mkdir(data, { mode: 0o700 });
      await Deno.writeTextFile(`${dir}/precious`, "precious");
      await Deno.symlink(`${dir}/precious`, `${data}/agent.lock`);
    },
    args: init,
    code: 1,
    says: /agent\.lock": it is not a regular file/,
  },
  {
    name: "a lock that is a file with content",
    async given({ data }) {
      await Deno.mkdir(data, { mode: 0o700 });
      await Deno.writeTextFile(`${data}/agent.lock`, "precious");
    },
    args: init,
    code: 1,
    says: /agent\.lock": it is not a file of kat-agent/,
  },
  {
    name: "a data directory of another cluster",
    async given(place) {
      await makeNode(place);
      await edit(place, "name: test", "name: other");
    },
    args: init,
    code: 78,
    says: /metadata\.name "test", not "other"/,
  },
  {
    name: "a data directory of another node",
    given: makeNode,
    args: (p) => init(p).with(3, "--node-name=n2"),
    code: 1,
    says: /--node-name "n1", not "n2"/,
  },
  {
    name: "a changed network",
    async given(place) {
      await makeNode(place);
      await edit(place, "10.100.0.0/16", "10.101.0.0/16");
    },
    args: init,
    code: 78,
    says:
      /spec\.clusterCIDR: the cluster has "10\.100\.0\.0\/16", cluster\.kat says "10\.101\.0\.0\/16"/,
  },
  {
    name: "a data directory whose etcd data is gone",
    async given(place) {
      await makeNode(place);
      await Deno.remove(`${place.data}/etcd`, { recursive: true });
    },
    args: ({ data }) => ["run", `--data-dir=${data}`],
    code: 1,
    says: /etcd's data is gone/,
  },
  ...["etcd.log", "etcd.pid", "identity.json"].map((name): BadInput => ({
    name: `a node without node.json, known by ${name}`,
    async given({ data }) {
      await Deno.mkdir(`${data}/etcd`, { recursive: true });
      await Deno.writeTextFile(`${data}/${name}`, "{}");
    },
    args: init,
    code: 1,
    says: /node\.json is missing from it[^]*restore node\.json/,
  })),
  {
    name: "run without a node",
    args: ({ data }) => ["run", `--data-dir=${data}`],
    code: 1,
    says: /holds no node[^]*init --config/,
  },
  {
    name: "status without a node",
    args: ({ data }) => ["status", `--data-dir=${data}`],
    code: 1,
    says: /Cannot find a node/,
  },

  // etcd
  {
    name: "an etcd that is not there",
    args: init,
    env: { KAT_ETCD_BINARY: "/nonexistent/etcd" },
    code: 1,
    says:
      /KAT_ETCD_BINARY[^]*\/nonexistent\/etcd|\/nonexistent\/etcd[^]*KAT_ETCD_BINARY/,
  },
  {
    name: "an etcd that is another program",
    args: (p) => init(p, "--etcd-binary=/bin/true"),
    code: 1,
    says: /\/bin\/true/,
  },
  {
    name: "a client port that is taken",
    given: ({ file }) => Promise.resolve(listen(file.clientPort)),
    args: init,
    code: 1,
    says: /spec\.etcdClientPort|process \d+/,
  },
  {
    name: "a peer port that is taken",
    given: ({ file }) => Promise.resolve(listen(file.peerPort)),
    args: init,
    code: 1,
    says: /spec\.etcdPeerPort|process \d+/,
  },
  {
    name: "an address of another machine",
    args: (p) => init(p, "--advertise-address=192.0.2.1"),
    code: 1,
    says: /192\.0\.2\.1[^]*--advertise-address/,
  },
];

testBadInputs(BAD_INPUTS);

Deno.test("kat-agent refuses a data directory that another agent uses", async () => {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const place = { dir: dir.path, data: `${dir.path}/data`, file };
  await using first = startAgent(init(place));
  await first.logged("Became leader: n1");

  const { code, stderr } = await runAgent(init(place), {
    env: { KAT_ETCD_BINARY: etcdBinaries.etcd },
  });

  strictEqual(code, 1);
  match(
    stderr,
    new RegExp(`another kat-agent uses it \\(process ${first.pid}\\)`),
  );
  const mark = first.lines.length;
  await first.stop();
  ok(
    first.lines.slice(mark).some((line) =>
      line.message === "Resigned leadership"
    ),
  );
});
