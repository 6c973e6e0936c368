import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { escapeControls, escapeLines, toJson } from "./escape_controls.ts";

Deno.test("escapeControls() makes one line of a text without commands", () => {
  strictEqual(
    escapeControls("a\u001b[2Jb\r\nc\td\u009b\u202e\u2028\u{e0041}\\n"),
    "a\\u001b[2Jb\\u000d\\u000ac\\u0009d\\u009b\\u202e\\u2028\\udb40\\udc41\\n",
  );
});

Deno.test("escapeLines() leaves ends of lines and tabs, and is the same a second time", () => {
  const text = "a\tb\n\u001b[2J\r\n";

  strictEqual(escapeLines(text), "a\tb\n\\u001b[2J\\u000d\n");
  strictEqual(escapeLines(escapeLines(text)), escapeLines(text));
});

Deno.test("toJson() means what it was given, and holds no control character", () => {
  const value = {
    "\u202ename": "\u001b\u009b\u2029\u{e0041}\n\t\\u001b",
    list: ["\u200b"],
  };

  for (const indent of [undefined, 2]) {
    const text = toJson(value, indent);
    deepStrictEqual(JSON.parse(text), value);
    strictEqual(/(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/u.exec(text), null, text);
  }
  strictEqual(toJson({ fence: 7n }), '{"fence":"7"}');
});
