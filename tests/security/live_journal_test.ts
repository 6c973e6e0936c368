/**
 * What the first attack did not run: a real journal. What the store holds makes
 * no entries, fields or priorities of its own there.
 *
 * @module
 */

import { deepStrictEqual, ok } from "node:assert/strict";
import { agentCommand } from "../machine/agent_process.ts";
import { makeCluster } from "../machine/cluster_on_etcd.ts";
import { eventually } from "../machine/eventually.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";

const JOURNALD = "/usr/lib/systemd/systemd-journald";
const EVIL =
  "x\nPRIORITY=0\n_UID=9\n<0>panic: pwned\u001b[31m\r\nMESSAGE=forged\u202e";

/** A journal of its own, an agent whose stderr leads there, and then what the journal holds. */
const SCRIPT = `
set -e
mount -t tmpfs none /run
mount -t tmpfs none /var/log
mkdir -p /run/systemd/journal /run/log/journal
${JOURNALD} & journal=$!
until [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done
systemd-cat -t cat sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)
  export JOURNAL_STREAM; exec "$@"' sh "$@" & agent=$!
read -r stop
kill -TERM $agent
wait $agent || true
journalctl --sync >/dev/null 2>&1 || true
journalctl -D /run/log/journal -o json --no-pager
kill $journal
wait $journal || true
`;

const whyNot = await whyNoJournal();
if (whyNot !== undefined) {
  const text = `\n*** NOT TESTED: a live journal, because ${whyNot}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

async function whyNoJournal(): Promise<string | undefined> {
  for (
    const [command, ...args] of [
      ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
      ["test", "-x", JOURNALD],
      ["systemd-cat", "--version"],
    ] as const
  ) {
    const { success } = await new Deno.Command(command, {
      args,
      stdout: "null",
      stderr: "null",
    }).output().catch(() => ({ success: false }));
    if (!success) return `"${command} ${args.join(" ")}" fails`;
  }
  return undefined;
}

/** Entries of the journal while an agent ran that saw an evil leader. */
async function entriesOf(
  format: "text" | "json",
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  await using etcd = await startTestEtcd();
  await makeCluster(etcd.endpoint, 5);
  await etcd.ctl("put", "/kat/leader_election/1", EVIL);
  await using dir = await tempDir();
  const [command, args] = agentCommand([
    "run",
    `--endpoints=${etcd.endpoint}`,
    "--node-name=n1",
    `--log-format=${format}`,
  ]);
  const child = new Deno.Command("unshare", {
    args: ["--mount", "/bin/sh", "-c", SCRIPT, "sh", command, ...args],
    cwd: dir.path,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = new Response(child.stdout).text();
  try {
    // It has looked at the leader by the time that it stands in line.
    await eventually(async () => {
      const keys = await etcd.ctl("get", "--prefix", "/kat/leader_election/");
      ok(keys.split("/kat/").length > 2, "the agent does not campaign");
    }, { withinMs: 60_000 });
    await etcd.ctl("put", "/kat/leader_election/1", `again ${EVIL}`);
    await etcd.ctl("del", "/kat/leader_election/1");
    await eventually(async () => {
      const keys = await etcd.ctl("get", "--prefix", "/kat/leader_election/");
      ok(keys.includes("n1"), "the agent does not lead");
    }, { withinMs: 60_000 });
  } finally {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("stop\n"));
    await writer.close();
    await child.status;
  }
  return (await output).split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

/** Text that the journal keeps as bytes, for it holds what no line has. */
function textOf(value: unknown): string {
  return Array.isArray(value)
    ? new TextDecoder().decode(Uint8Array.from(value))
    : String(value);
}

for (const format of ["text", "json"] as const) {
  Deno.test(
    `a live journal has no entry, field or priority that the store made up, with ${format} lines`,
    {
      ignore: whyNot !== undefined,
    },
    async () => {
      const entries = await entriesOf(format);
      const own = entries.filter(({ SYSLOG_IDENTIFIER: name }) =>
        name === "kat-agent" || name === "cat"
      );

      ok(
        own.some(({ MESSAGE }) => textOf(MESSAGE).includes("pwned")),
        "the name was not logged",
      );
      for (const entry of own) {
        const message = textOf(entry.MESSAGE);
        deepStrictEqual(
          /[\p{Cc}\p{Cf}]/u.exec(message),
          null,
          JSON.stringify(message),
        );
        ok(!/^(panic|forged|MESSAGE=|PRIORITY=|<\d>)/.test(message), message);
        ok(entry.PRIORITY !== "0", message);
        ok(entry._UID !== "9", message);
      }
    },
  );
}
