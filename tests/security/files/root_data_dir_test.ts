import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { readClusterConfig } from "../../../src/config/read_cluster_config.ts";
import { encodeNodeRecord } from "../../../src/agent/node_record.ts";
import { runAgent } from "../../machine/agent_process.ts";
import {
  type ClusterFile,
  initArgs,
  writeClusterFile,
} from "../../machine/cluster_file.ts";
import { etcdBinaries } from "../../machine/tested_etcd.ts";
import type { Swaps } from "../../programs/swap_names.ts";
import {
  giveAway,
  type Scene,
  scene,
  startProgram,
  whyNoOtherUser,
} from "./other_user.ts";

const ignore = whyNoOtherUser !== undefined;
/** How often a race is tried; each is an agent that starts. */
const STARTS = 40;
/** Above what etcd's log may have before it is copied. */
const LARGE_BYTES = 17 * 1024 ** 2;
const REFUSED =
  /belongs to (?:the )?user|other users may|is a (?:symbolic )?link|another user|not a regular file/;

/** A data directory of another user's, what root's file it is to change, and a cluster.kat of root's. */
interface Trap extends Scene {
  readonly data: string;
  readonly target: string;
  readonly file: ClusterFile;
  /** A program that says in `marker` that it ran. */
  readonly evil: string;
  readonly marker: string;
}

async function trap(): Promise<Trap> {
  const at = await scene();
  const paths = {
    data: `${at.theirs}/data`,
    target: `${at.path}/target`,
    evil: `${at.theirs}/evil`,
    marker: `${at.path}/ran`,
  };
  await Deno.mkdir(paths.data, { mode: 0o700 });
  await Deno.writeTextFile(paths.target, "root's own");
  await Deno.writeTextFile(
    paths.evil,
    `#!/bin/sh\necho "$*" >>'${paths.marker}'\nexec '${etcdBinaries.etcd}' "$@"\n`,
  );
  await Deno.chmod(paths.evil, 0o755);
  // Where etcd is to work is looked at, through a link as well.
  await Deno.mkdir(`${at.path}/empty`, { mode: 0o700 });
  await Deno.symlink(`${at.path}/empty`, `${paths.data}/etcd`);
  const file = await writeClusterFile(at.path);
  return { ...at, ...paths, file };
}

/** Writes a node.json that a node in `data` could have left. */
async function plantRecord(
  { data, file }: Trap,
  binary?: string,
): Promise<void> {
  const { name, spec } = await readClusterConfig(file.path, {
    defaultDataDir: data,
  });
  const record = encodeNodeRecord({
    state: "initialising",
    clusterName: name,
    nodeName: "n1",
    advertiseAddress: "127.0.0.1",
    initialCluster: [{
      name: "n1",
      peerUrl: `http://127.0.0.1:${file.peerPort}`,
    }],
    spec: {
      ...spec,
      dataDir: data,
      etcd: binary === undefined ? spec.etcd : { ...spec.etcd, binary },
    },
  });
  await Deno.writeTextFile(`${data}/node.json`, record);
}

/** Starts a node for some seconds at most. */
async function start(args: readonly string[], env = {}) {
  return await runAgent(args, {
    env: { KAT_ETCD_BINARY: etcdBinaries.etcd, ...env },
    prefix: ["timeout", "--signal=TERM", "10"],
  });
}

interface Row {
  readonly name: string;
  /** Lays the trap, as the other user can. */
  readonly lay: (at: Trap) => Promise<void>;
  /** The command. @default {init} */
  readonly args?: (at: Trap) => readonly string[];
  /** What must not be there afterwards. */
  readonly absent?: (at: Trap) => string;
}

const ROWS: readonly Row[] = [
  {
    name: "whose etcd.log is a link",
    async lay(at) {
      await plantRecord(at);
      await Deno.symlink(at.target, `${at.data}/etcd.log`);
    },
  },
  {
    name: "whose etcd.log is a link to nothing",
    async lay(at) {
      await plantRecord(at);
      await Deno.symlink(`${at.path}/new`, `${at.data}/etcd.log`);
    },
    absent: ({ path }) => `${path}/new`,
  },
  {
    name: "whose large etcd.log is copied through a link",
    async lay(at) {
      await plantRecord(at);
      await Deno.writeFile(
        `${at.data}/etcd.log`,
        new Uint8Array(LARGE_BYTES).fill(0x61),
      );
      await Deno.symlink(at.target, `${at.data}/etcd.log.1`);
    },
  },
  {
    name: "whose agent.lock is a link to an empty file",
    async lay(at) {
      await plantRecord(at);
      await Deno.writeTextFile(at.target, "");
      await Deno.symlink(at.target, `${at.data}/agent.lock`);
    },
  },
  {
    name: "whose agent.lock is a link to nothing",
    async lay(at) {
      await plantRecord(at);
      await Deno.symlink(`${at.path}/new`, `${at.data}/agent.lock`);
    },
    absent: ({ path }) => `${path}/new`,
  },
  {
    name:
      "whose etcd is an empty directory of root's and whose node.json names the program",
    async lay(at) {
      await plantRecord(at, at.evil);
    },
    args: ({ data }) => ["run", `--data-dir=${data}`],
    absent: ({ marker }) => marker,
  },
  {
    name: "whose etcd is an empty directory of root's",
    lay: plantRecord,
    absent: ({ path }) => `${path}/empty/member`,
  },
];

for (const { name, lay, args, absent } of ROWS) {
  Deno.test(`root does not serve a data directory of another user's ${name}`, {
    ignore,
  }, async () => {
    await using at = await trap();
    await lay(at);
    await giveAway(at.theirs);
    const before = await Deno.readTextFile(at.target);

    const said = args === undefined
      ? await start(initArgs(at.file, at.data))
      // The record alone says what runs.
      : await runAgent(args(at), {
        prefix: ["timeout", "--signal=TERM", "10"],
      });

    strictEqual((await Deno.readTextFile(at.target)).slice(0, 99), before);
    if (absent !== undefined) {
      const there = await Deno.lstat(absent(at)).then(() => true, () => false);
      strictEqual(there, false, `${absent(at)} is there`);
    }
    match(said.stderr, REFUSED);
    strictEqual(said.code, 1, said.stderr);
  });
}

/** Whose data directory root may not use, because others can change what leads to it. */
const PARENTS: readonly (readonly [
  name: string,
  lay: (at: Trap) => Promise<string>,
])[] = [
  ["below a directory of another user's", async ({ theirs }) => {
    await giveAway(theirs);
    await Deno.mkdir(`${theirs}/mine`, { mode: 0o700 });
    return `${theirs}/mine`;
  }],
  ["that it would make below a directory of another user's", async (at) => {
    await giveAway(at.theirs);
    await Deno.chmod(at.theirs, 0o777);
    return `${at.theirs}/new`;
  }],
  ["that another user's link leads to", async ({ path, theirs }) => {
    await Deno.mkdir(`${path}/mine`, { mode: 0o700 });
    await Deno.symlink(`${path}/mine`, `${theirs}/link`);
    await giveAway(theirs);
    return `${theirs}/link`;
  }],
  ["below a directory that a group may write to", async ({ path }) => {
    await Deno.mkdir(`${path}/group/mine`, { recursive: true, mode: 0o700 });
    await Deno.chmod(`${path}/group`, 0o775);
    await Deno.chown(`${path}/group`, 0, 65534);
    return `${path}/group/mine`;
  }],
];

for (const [name, lay] of PARENTS) {
  Deno.test(`root does not serve a data directory ${name}`, {
    ignore,
  }, async () => {
    await using at = await trap();
    const data = await lay(at);

    const { code, stderr } = await start(initArgs(at.file, data));

    const names = await Array.fromAsync(Deno.readDir(data))
      .then((entries) => entries.map(({ name }) => name), () => []);
    deepStrictEqual(names, []);
    match(stderr, REFUSED);
    strictEqual(code, 1, stderr);
  });
}

Deno.test(
  `root empties no file through agent.lock in ${STARTS} starts while its owner exchanges it`,
  {
    ignore,
  },
  async () => {
    await using at = await trap();
    await plantRecord(at);
    await giveAway(at.theirs);
    const task: Swaps = {
      kind: "file",
      name: `${at.data}/agent.lock`,
      secret: at.target,
    };
    await using _attacker = await startProgram("swap_names.ts", {
      task,
      dir: at.path,
    });
    for (let round = 1; round <= STARTS; round += 1) {
      // It ends as soon as it looks for etcd, which is after the lock.
      await start(["run", `--data-dir=${at.data}`], {
        KAT_ETCD_BINARY: "/bin/false",
      });
      const text = await Deno.readTextFile(at.target);
      strictEqual(text, "root's own", `changed in round ${round}`);
      const made = await Deno.lstat(`${at.target}.new`)
        .then(() => true, () => false);
      strictEqual(made, false, `a file was made in round ${round}`);
    }
  },
);

Deno.test(
  "the owner of a data directory cannot move it away under root's agent",
  {
    ignore,
  },
  async () => {
    await using at = await trap();
    await giveAway(at.theirs);
    const { code, stderr } = await start(initArgs(at.file, at.data));
    // Served, it would be the other user's to exchange at any moment.
    match(stderr, REFUSED);
    strictEqual(code, 1, stderr);
  },
);
