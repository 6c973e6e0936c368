import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { memberText, ownErrors } from "./member_status.ts";

Deno.test("ownErrors() leaves out the alarms of other members", () => {
  const errors = [
    "memberID:255 alarm:NOSPACE ",
    "memberID:16 alarm:CORRUPT ",
    "etcdserver: no leader",
  ];

  deepStrictEqual(ownErrors({ errors, memberId: "ff" }), [
    "memberID:255 alarm:NOSPACE",
    "etcdserver: no leader",
  ]);
  deepStrictEqual(ownErrors({ errors: [], memberId: "ff" }), []);
});

Deno.test("memberText() names a member by its URL when it has no name yet", () => {
  const url = "http://127.0.0.1:2379";
  strictEqual(memberText({ name: "n1", url }), `member "n1" at ${url}`);
  strictEqual(memberText({ name: "", url }), `member at ${url}`);
});
