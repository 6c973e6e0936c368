import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { type BuiltFile, builtFile } from "../machine/built_file.ts";
import { type ClusterFile, writeClusterFile } from "../machine/cluster_file.ts";
import { etcdBinaries } from "../machine/tested_etcd.ts";

/** What the file system allows an ordinary user is for the kernel to say. */
const USER = 1001;
const GROUP = 2000;
const OTHER = 1002;

const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;
const ignore = !isRoot;
const mayHaveLists = isRoot && await works(["setfacl", "--version"]);
const mayHaveNamespaces = isRoot &&
  await works([
    ...asUser(`--regid=${USER}`, "--clear-groups"),
    "unshare",
    "-U",
    "--map-current-user",
    "true",
  ]);
const mayTrace = isRoot && await works(["strace", "--version"]);

let built: BuiltFile;
let file: ClusterFile;
let count = 0;

Deno.test.beforeAll(async () => {
  if (ignore) return;
  built = await builtFile();
  file = await writeClusterFile(built.dir);
  await Deno.chmod(file.path, 0o644);
  await Deno.copyFile(etcdBinaries.etcd, `${built.dir}/etcd`);
  await Deno.chmod(`${built.dir}/etcd`, 0o755);
  // Unpacked by root, for all.
  await must([
    "env",
    `KAT_CACHE_DIR=${built.dir}/cache`,
    built.path,
    "version",
  ]);
});
Deno.test.afterAll(async () => {
  if (!ignore) await built[Symbol.asyncDispose]();
});

/** The words that make a command the user's, in its own group and others. */
function asUser(...words: readonly string[]): string[] {
  return ["setpriv", `--reuid=${USER}`, ...words, "--"];
}
const ALONE = asUser(`--regid=${USER}`, "--clear-groups");
const IN_GROUP = asUser(`--regid=${USER}`, `--groups=${GROUP}`);

/** The words that make a command see a mount of its own. */
function mounted(words: string): string[] {
  return ["unshare", "-m", "sh", "-c", `mount ${words} && exec "$@"`, "sh"];
}

async function works(line: readonly string[]): Promise<boolean> {
  const [command = "", ...args] = line;
  const ended = new Deno.Command(command, { args, stdout: "null" }).output();
  return (await ended.catch(() => undefined))?.success === true;
}

async function must(line: readonly string[]): Promise<void> {
  const [command = "", ...args] = line;
  const { success, stderr } = await new Deno.Command(command, { args })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

interface Ended {
  readonly code: number;
  readonly stderr: string;
}

/** Starts an agent, stops it once it leads, and returns how it ended. */
async function start(
  data: string,
  prefix: readonly string[],
): Promise<Ended> {
  const [command = "", ...args] = [
    ...prefix,
    built.path,
    "init",
    `--config=${file.path}`,
    `--data-dir=${data}`,
    "--node-name=n1",
    `--etcd-binary=${built.dir}/etcd`,
  ];
  const child = new Deno.Command(command, {
    args,
    clearEnv: true,
    env: {
      PATH: "/usr/bin:/bin:/usr/sbin:/sbin",
      NO_COLOR: "1",
      KAT_CACHE_DIR: `${built.dir}/cache`,
      TMPDIR: built.dir,
    },
    cwd: "/",
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let stderr = "";
  let stopped = false;
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    stderr += text;
    if (stopped || !stderr.includes("Became leader")) continue;
    stopped = true;
    child.kill("SIGTERM");
  }
  return { code: (await child.status).code, stderr };
}

/** A directory of root's, which all may enter. */
async function volume(): Promise<string> {
  const path = `${built.dir}/volume-${++count}`;
  await Deno.mkdir(path);
  await Deno.chmod(path, 0o755);
  return path;
}

interface Place {
  readonly name: string;
  /** Makes the volume what it is. */
  readonly lay: (volume: string) => Promise<void>;
  readonly prefix: readonly string[];
  readonly ignore?: boolean;
}

const own = (path: string) => Deno.chown(path, USER, USER);
async function share(path: string, gid: number, mode: number): Promise<void> {
  await Deno.chown(path, 0, gid);
  await Deno.chmod(path, mode);
}

const ALLOWED: readonly Place[] = [
  {
    name: "that one of the user's other groups may write to (fsGroup)",
    lay: (path) => share(path, GROUP, 0o2775),
    prefix: IN_GROUP,
  },
  {
    name: "of root's group, which is the user's (OpenShift)",
    lay: (path) => share(path, 0, 0o775),
    prefix: asUser("--regid=0", "--clear-groups"),
  },
  {
    name: "that an access control list lets the user write to",
    lay: (path) => must(["setfacl", "-m", `u:${USER}:rwx`, path]),
    prefix: ALONE,
    ignore: !mayHaveLists,
  },
  {
    name: "of root's, as a user with CAP_DAC_OVERRIDE",
    lay: () => Promise.resolve(),
    prefix: asUser(
      `--regid=${USER}`,
      "--clear-groups",
      "--inh-caps=+dac_override",
      "--ambient-caps=+dac_override",
    ),
  },
  {
    name: "of the user's, in a user namespace that knows no root",
    lay: own,
    prefix: [...ALONE, "unshare", "-U", "--map-current-user"],
    ignore: !mayHaveNamespaces,
  },
  {
    name: "of the user's, in a user namespace where the user is root",
    lay: own,
    prefix: [...ALONE, "unshare", "-Ur"],
    ignore: !mayHaveNamespaces,
  },
  {
    name: "of the user's, where /proc hides other users' processes",
    lay: own,
    prefix: [...mounted("-t proc -o hidepid=2 proc /proc"), ...ALONE],
  },
];

for (const { name, lay, prefix, ignore = !isRoot } of ALLOWED) {
  Deno.test(`a node starts, twice, below a directory ${name}`, {
    ignore,
  }, async () => {
    const path = await volume();
    await lay(path);

    for (let round = 1; round <= 2; round += 1) {
      const { code, stderr } = await start(`${path}/kat`, prefix);
      match(stderr, /Became leader: n1/);
      strictEqual(/chmod/.test(stderr), false, stderr);
      strictEqual(code, 0, stderr);
    }
  });
}

Deno.test(
  "a node starts in a volume of its group, also after each file in it was given to the group",
  {
    ignore,
  },
  async () => {
    const path = await volume();
    await share(path, GROUP, 0o2775);

    strictEqual((await start(path, IN_GROUP)).code, 0);
    // What Kubernetes does at each mount.
    await must(["chgrp", "-R", `${GROUP}`, path]);
    await must(["chmod", "-R", "g+rwX", path]);
    const { code, stderr } = await start(path, IN_GROUP);

    match(stderr, /stays open to other users/);
    strictEqual(code, 0, stderr);
  },
);

interface Refused extends Place {
  readonly says: RegExp;
}

const REFUSED: readonly Refused[] = [
  {
    name: "of another user's, whose group may write to it",
    async lay(path) {
      await Deno.chown(path, OTHER, GROUP);
      await Deno.chmod(path, 0o2775);
    },
    prefix: IN_GROUP,
    says: /belongs to user 1002, and kat-agent runs as user 1001/,
  },
  {
    name: "that everybody may write to",
    lay: (path) => Deno.chmod(path, 0o777),
    prefix: ALONE,
    says: /other users may write to it \(mode 0777\)\n.* let root take .*o-w/,
  },
  {
    name: "that only root may write to",
    lay: () => Promise.resolve(),
    prefix: ALONE,
    says: /no permission to write to ".*volume-\d+"/,
  },
  {
    name: "of a group, as root",
    lay: (path) => share(path, GROUP, 0o2775),
    prefix: [],
    says: /other users may write to it \(mode 2775\)/,
  },
  {
    name: "that is marked as immutable",
    lay: (path) => must(["chattr", "+i", path]),
    prefix: [],
    says: /permits no change .*\n.*immutable/,
    ignore: !isRoot || !await works(["sh", "-c", "command -v chattr"]),
  },
  {
    name: "on a file system without locks",
    lay: own,
    prefix: tracing("ENOLCK"),
    says: /knows no locks \(No locks available .*\n.*local disk/,
    ignore: !mayTrace,
  },
  {
    name: "on a file system that does not support locks",
    lay: own,
    prefix: tracing("EOPNOTSUPP"),
    says: /knows no locks \(Operation not supported .*\n.*local disk/,
    ignore: !mayTrace,
  },
];

Deno.test("the portable form says that it needs /proc where there is none", {
  ignore,
}, async () => {
  if (built.form === "compiled") return;
  const path = await volume();
  await own(path);

  const { code, stderr } = await start(path, [
    ...mounted("-t tmpfs none /proc"),
    ...ALONE,
  ]);

  match(
    stderr,
    /^kat-agent: Cannot start: \/proc is not mounted.*\n {2}Mount it/,
  );
  strictEqual(code, 1);
});

function tracing(error: string): string[] {
  return [
    ...["strace", "-f", "-q", "-o", "/dev/null"],
    ...["-e", "trace=flock", "-e", `inject=flock:error=${error}`],
    ...ALONE,
  ];
}

for (const { name, lay, prefix, says, ignore = !isRoot } of REFUSED) {
  Deno.test(
    `a node does not start below a directory ${name}, and leaves nothing there`,
    {
      ignore,
    },
    async () => {
      const path = await volume();
      await lay(path);
      try {
        const { code, stderr } = await start(`${path}/a/kat`, prefix);

        match(stderr, says);
        strictEqual(code, 1, stderr);
        deepStrictEqual(await Array.fromAsync(Deno.readDir(path)), []);
      } finally {
        await works(["chattr", "-i", path]);
      }
    },
  );
}
