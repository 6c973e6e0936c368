/**
 * What the first attack did not run: the completion of a command line is data,
 * and so are the names of files that it meets. Nothing of either is run.
 *
 * @module
 */

import { deepStrictEqual, ok } from "node:assert/strict";
import { agentCommand } from "../machine/agent_process.ts";
import { tempDir } from "../machine/temp_dir.ts";

/** Words that a shell would act upon, each leaving a mark. */
const WORDS = [
  "$(touch mark)",
  "`touch mark`",
  "';touch mark;'",
  '";touch mark;"',
  "a\ntouch mark",
  "${x:=$(touch mark)}",
  "$((a[$(touch mark)]))",
  "<(touch mark)",
  "x[$(touch mark)]",
  "--config=$(touch mark)",
  "--data-dir=~$(touch mark)/",
  "~root;touch mark",
  "\u001b]0;pwned\u0007",
  "-o touch",
];

const SCRIPT = `
cd "$1/files" || exit 1
PATH="$1/bin:$PATH"
source <(kat-agent completion bash) || exit 2
shift
COMP_WORDS=(kat-agent "$@")
COMP_CWORD=$#
COMP_LINE="kat-agent $*"
COMP_POINT=\${#COMP_LINE}
COMP_TYPE=9
_kat-agent kat-agent "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "\${COMPREPLY[@]}"
`;

/** Completes a command line among files of such names; returns whether one of them left its mark. */
async function complete(...words: readonly string[]): Promise<boolean> {
  await using dir = await tempDir();
  await Deno.mkdir(`${dir.path}/bin`);
  await Deno.mkdir(`${dir.path}/files`);
  for (const name of WORDS) {
    // Not every word can be the name of a file.
    await Deno.writeTextFile(
      `${dir.path}/files/${name.replaceAll("/", "_")}`,
      "",
    );
  }
  const [command, args] = agentCommand([]);
  const quoted = [command, ...args].map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(
    `${dir.path}/bin/kat-agent`,
    `#!/bin/sh\nexec ${quoted} "$@" 2>/dev/null\n`,
    { mode: 0o755 },
  );
  const { code, stderr } = await new Deno.Command("bash", {
    args: ["--norc", "-c", SCRIPT, "bash", dir.path, ...words],
    stdin: "null",
  }).output();
  ok(code === 0, new TextDecoder().decode(stderr));
  const names = await Array.fromAsync(Deno.readDir(`${dir.path}/files`));
  return names.some(({ name }) => name === "mark");
}

const hasBash = await new Deno.Command("bash", { args: ["--version"] })
  .output().then(({ success }) => success, () => false);

Deno.test("bash's completion runs nothing of the words that it completes", {
  ignore: !hasBash,
}, async () => {
  const ran: string[] = [];
  for (const word of WORDS) {
    if (await complete("store", "get", word)) ran.push(word);
  }

  deepStrictEqual(ran, []);
});

Deno.test(
  "bash's completion runs nothing of the names of files",
  {
    ignore: !hasBash,
  },
  async () => {
    for (
      const words of [
        ["init", "--config="],
        ["init", "--config", ""],
        ["init", "--config", "$"],
        ["run", "--data-dir", "./"],
        ["run", "--etcd-binary", "~"],
        ["config", "validate", ""],
      ]
    ) {
      ok(!await complete(...words), words.join(" "));
    }
  },
);
