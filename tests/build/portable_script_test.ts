import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import {
  type BuiltFile,
  builtFile,
  ownDir,
  runBare,
} from "../machine/built_file.ts";

const SCRIPT = await Deno.readTextFile(
  new URL("../../scripts/portable_start.sh", import.meta.url),
);
/** Shells that `/bin/sh` is somewhere, as commands. */
const SHELLS: readonly (readonly string[])[] = [
  ["dash"],
  ["bash", "--posix"],
  ["busybox", "sh"],
  ["mksh"],
];

/** What bash 3.2, the `/bin/sh` of macOS, or POSIX does not have. */
const FOREIGN: readonly (readonly [words: RegExp, what: string])[] = [
  [/\[\[|\]\]/, "[["],
  [/^\s*(?:local|declare|typeset|function|select|source|let)\b/, "a keyword"],
  [/&>|\|&|<<<|[<>]\(|;;?&/, "an operator"],
  [/\$'|\$"/, "a quotation"],
  [/\$\{!|\$\{\w+(?:\^|,|:\d|\/|\[)/, "an expansion"],
  [/[A-Za-z_]\w*(?:\+=|=\()/, "an assignment"],
  [/==/, "=="],
];

/**
 * What is wrong with a script, a line each. bash 3.2 takes the `)` of a case's
 * pattern for the end of a `$( … )` around it, and a quote in a comment there
 * for a quote: so each pattern has its `(`, and such comments have no quotes.
 */
function problems(script: string): string[] {
  const found: string[] = [];
  /** The open brackets, `$(` apart from `(`. */
  const open: string[] = [];
  let quote = "";
  script.split("\n").forEach((line, index) => {
    const say = (what: string) => found.push(`${index + 1}: ${what}`);
    let bare = "";
    for (let at = 0; at < line.length; at += 1) {
      const here = line[at] ?? "";
      const isSubstitution = here === "$" && line[at + 1] === "(" &&
        line[at + 2] !== "(";
      if (here === "\\" && quote !== "'") at += 1;
      else if (quote === "'") quote = here === "'" ? "" : quote;
      else if (isSubstitution) {
        open.push(`$(${quote}`);
        quote = "";
        at += 1;
      } else if (here === '"') quote = quote === '"' ? "" : '"';
      else if (quote === '"') continue;
      else if (here === "'") quote = "'";
      else if (here === "#" && /(?:^|\s)$/.test(line.slice(0, at))) {
        const isInside = open.some((one) => one.startsWith("$("));
        if (isInside && /['"`]/.test(line.slice(at))) {
          say("a comment with a quote in $( )");
        }
        break;
      } else if (here === "(") open.push("(");
      else if (here === ")") {
        const last = open.pop();
        if (last === undefined) say("a ) without its (");
        else if (last.startsWith("$(")) quote = last.slice(2);
      } else {
        bare += here;
        continue;
      }
      bare += here;
    }
    for (const [words, what] of FOREIGN) if (words.test(bare)) say(what);
  });
  if (open.length > 0 || quote !== "") found.push("something stays open");
  return found;
}

Deno.test("the portable form's script has nothing that bash 3.2 cannot parse", () => {
  deepStrictEqual(problems(SCRIPT), []);
});

for (
  const [name, text, what] of [
    ["a pattern", "case $a in\nx) echo ;;\nesac", /2: a \) without/],
    [
      "a pattern in a substitution",
      "b=$(case $a in x) echo ;; esac)",
      /1: a \) without/,
    ],
    ["a quote", "b=$(\n# it's\necho)", /2: a comment with a quote/],
    ["a double bracket", "[[ -e x ]]", /1: \[\[/],
    ["a local variable", "f() {\n  local x\n}", /2: a keyword/],
    ["a substituted process", "diff <(ls) x", /1: an operator/],
    ["an expansion", "echo ${a^^}", /1: an expansion/],
    ["an array", "a=(1 2)", /1: an assignment/],
    ["an open bracket", "a=$(ls", /something stays open/],
  ] as const
) {
  Deno.test(`problems() sees ${name} that is planted`, () => {
    match(problems(text).join("\n"), what);
  });
}

let built: BuiltFile;

Deno.test.beforeAll(async () => {
  built = await builtFile();
});
Deno.test.afterAll(async () => {
  await built[Symbol.asyncDispose]();
});

for (const [shell = "", ...flags] of SHELLS) {
  const ignore = Deno.build.os !== "linux" ||
    !await isThere(shell);
  if (ignore) {
    Deno.stderr.writeSync(
      new TextEncoder().encode(`\n*** NOT TESTED: ${shell} is not here\n`),
    );
  }
  Deno.test(
    `the portable form unpacks and starts under ${[shell, ...flags].join(" ")}`,
    {
      ignore,
    },
    async () => {
      if (built.form === "compiled") return;
      const home = await ownDir(built.dir, `home-${shell}`);
      const start = () =>
        runBare(shell, [...flags, built.path, "version"], {
          env: { HOME: home, PATH: "/usr/bin:/bin" },
          cwd: "/",
        });

      const [first, second] = [await start(), await start()];

      for (const { code, stdout, stderr } of [first, second]) {
        deepStrictEqual([code, stderr], [0, ""]);
        match(stdout, /^kat-agent /);
      }
      const unpacked = await Array.fromAsync(
        Deno.readDir(`${home}/.cache/kat`),
      );
      strictEqual(unpacked.length, 1);
    },
  );
}

async function isThere(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", `command -v ${program}`],
    stdout: "null",
  }).output();
  return success;
}
