import { deepStrictEqual, ok } from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Folders that hold no documents of the project. */
const SKIPPED = new Set(["node_modules", "dist", "testdata"]);

const FENCE_REGEXP = /^(```|~~~)[^]*?^\1/gm;
const HEADING_REGEXP = /^#{1,6} +(.+?) *$/gm;
/** `[text](target)` and `![text](target)`; the text may be broken over lines. */
const LINK_REGEXP = /\[[^\]]*\]\(([^)\s]+)\)/g;
/** A path in backquotes that begins at the top of the checkout. */
const PATH_REGEXP =
  /`((?:src|tests|bench|scripts|docs|examples)\/[\w./-]+|main\.ts)`/g;

/** The documents, as paths from the top of the checkout. */
async function* documents(folder = ROOT): AsyncGenerator<string> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory && !name.startsWith(".") && !SKIPPED.has(name)) {
      yield* documents(path);
    } else if (isFile && name.endsWith(".md")) yield relative(ROOT, path);
  }
}

/** The anchors that a forge makes of the headings. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = text.replaceAll(FENCE_REGEXP, "").matchAll(HEADING_REGEXP);
  const anchors = new Set<string>();
  for (const [, heading = ""] of headings) {
    const name = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(/\s/g, "-");
    let anchor = name;
    for (let count = 1; anchors.has(anchor); count++) {
      anchor = `${name}-${count}`;
    }
    anchors.add(anchor);
  }
  return anchors;
}

/** What a document names and the checkout lacks: links, anchors, paths. */
async function deadLinks(
  path: string,
  read: (path: string) => Promise<string>,
  exists: (path: string) => Promise<boolean>,
): Promise<string[]> {
  const text = (await read(path)).replaceAll(FENCE_REGEXP, "");
  const dead: string[] = [];
  for (const [, target = ""] of text.matchAll(LINK_REGEXP)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file = "", anchor] = target.split("#");
    const found = file === "" ? path : join(dirname(path), file);
    const isThere = await exists(found) &&
      (anchor === undefined || anchorsOf(await read(found)).has(anchor));
    if (!isThere) dead.push(`${path}: ${target}`);
  }
  for (const [, name = ""] of text.matchAll(PATH_REGEXP)) {
    if (!await exists(name)) dead.push(`${path}: ${name}`);
  }
  return dead;
}

const readFile = (path: string) => Deno.readTextFile(join(ROOT, path));
const fileExists = (path: string) =>
  Deno.stat(join(ROOT, path)).then(() => true, () => false);

Deno.test("documents link only to files and headings that exist, and name only paths that do", async () => {
  const dead: string[] = [];
  for await (const path of documents()) {
    dead.push(...await deadLinks(path, readFile, fileExists));
  }
  deepStrictEqual(dead, []);
});

Deno.test("README shows the example's program as it is", async () => {
  const program = await readFile("examples/store_program.ts");
  ok((await readFile("README.md")).includes(
    program.slice(program.indexOf("import {")),
  ));
});

Deno.test("deadLinks() sees a missing file, a missing heading and a missing path", async () => {
  const files: Readonly<Record<string, string>> = {
    "docs/one.md": [
      "# One `two`, three",
      "[a](two.md) [b](two.md#there-is) [c](#one-two-three) [d](https://x.y/z)",
      "[e](gone.md) [f](two.md#gone) [g](#gone) `src/gone.ts` `docs/two.md`",
      "```sh",
      "[not](a-link.md)",
      "```",
    ].join("\n"),
    "docs/two.md": "# Two\n\n## There is\n",
  };
  const dead = await deadLinks(
    "docs/one.md",
    (path) => Promise.resolve(files[path] ?? ""),
    (path) => Promise.resolve(path in files),
  );
  deepStrictEqual(dead, [
    "docs/one.md: gone.md",
    "docs/one.md: two.md#gone",
    "docs/one.md: #gone",
    "docs/one.md: src/gone.ts",
  ]);
});
