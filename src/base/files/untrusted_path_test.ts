import { match, strictEqual } from "node:assert/strict";
import { distrust, type Entry, isSticky } from "./untrusted_path.ts";

const FILE = { gid: 70, isFile: true, isDirectory: false, isSymlink: false };
const DIRECTORY = { ...FILE, isFile: false, isDirectory: true };
const LINK = { ...FILE, isFile: false, isSymlink: true };

/** Why user 7 does not believe an entry. */
function reason(entry: Entry): string | undefined {
  return distrust(entry, { path: "/p", owner: 7 })?.reason;
}

Deno.test("distrust() believes what root or the user owns and no other may write", () => {
  for (const uid of [0, 7]) {
    strictEqual(reason({ ...FILE, uid, mode: 0o100644 }), undefined);
    strictEqual(reason({ ...DIRECTORY, uid, mode: 0o40755 }), undefined);
    strictEqual(reason({ ...LINK, uid, mode: 0o120777 }), undefined);
  }
});

Deno.test("distrust() refuses other owners, groups included, and unknown ones", () => {
  match(reason({ ...FILE, uid: 8, mode: 0o600 }) ?? "", /belongs to user 8/);
  match(reason({ ...LINK, uid: 8, mode: 0o777 }) ?? "", /link of user 8/);
  match(reason({ ...FILE, uid: 7, mode: 0o620 }) ?? "", /mode 0620/);
  match(reason({ ...DIRECTORY, uid: 7, mode: 0o775 }) ?? "", /mode 0775/);
  match(reason({ ...DIRECTORY, uid: 0, mode: 0o757 }) ?? "", /mode 0757/);
  match(reason({ ...FILE, uid: null, mode: 0o600 }) ?? "", /cannot be known/);
  match(reason({ ...FILE, uid: 7, mode: null }) ?? "", /cannot be known/);
});

Deno.test("distrust() lets an ordinary user's own group write to the user's directories, and nothing else", () => {
  const trusts = (entry: Entry, { owner = 7, group = 70 } = {}) =>
    distrust(entry, { path: "/p", owner, group }) === undefined;

  strictEqual(trusts({ ...DIRECTORY, uid: 7, mode: 0o40775 }), true);

  strictEqual(trusts({ ...DIRECTORY, uid: 7, mode: 0o40777 }), false);
  strictEqual(trusts({ ...DIRECTORY, uid: 7, gid: 71, mode: 0o775 }), false);
  strictEqual(trusts({ ...DIRECTORY, uid: 8, mode: 0o40775 }), false);
  strictEqual(trusts({ ...DIRECTORY, uid: 0, mode: 0o40775 }), false);
  strictEqual(trusts({ ...FILE, uid: 7, mode: 0o100664 }), false);
  const root = { owner: 0, group: 0 };
  strictEqual(
    trusts({ ...DIRECTORY, uid: 0, gid: 0, mode: 0o775 }, root),
    false,
  );
});

Deno.test("distrust() believes a sticky directory of root's, and no other sticky one", () => {
  strictEqual(reason({ ...DIRECTORY, uid: 0, mode: 0o41777 }), undefined);
  match(reason({ ...DIRECTORY, uid: 7, mode: 0o41777 }) ?? "", /mode 1777/);
  match(reason({ ...FILE, uid: 0, mode: 0o101666 }) ?? "", /mode 1666/);
  strictEqual(isSticky({ uid: 0, mode: 0o41777 }), true);
  strictEqual(isSticky({ uid: 0, mode: 0o41755 }), false);
  strictEqual(isSticky({ uid: 7, mode: 0o41777 }), false);
});
