import { match, strictEqual } from "node:assert/strict";
import { distrust, type Entry, isSticky } from "./untrusted_path.ts";

const FILE = { isFile: true, isDirectory: false, isSymlink: false };
const DIRECTORY = { ...FILE, isFile: false, isDirectory: true };
const LINK = { ...FILE, isFile: false, isSymlink: true };

/** Why root does not believe an entry. */
function rootsReason(entry: Entry): string | undefined {
  return distrust(entry, { path: "/p", user: 0, root: 0 })?.reason;
}

/** Why user 7 does not believe an entry. */
function reason(entry: Entry): string | undefined {
  return distrust(entry, { path: "/p", user: 7, root: 0 })?.reason;
}

Deno.test("distrust() believes what root or the user owns and no other may write", () => {
  for (const uid of [0, 7]) {
    strictEqual(reason({ ...FILE, uid, mode: 0o100644 }), undefined);
    strictEqual(reason({ ...DIRECTORY, uid, mode: 0o40755 }), undefined);
    strictEqual(reason({ ...LINK, uid, mode: 0o120777 }), undefined);
  }
});

Deno.test("distrust() refuses other owners, what everybody may write to, and unknown ones", () => {
  match(reason({ ...FILE, uid: 8, mode: 0o600 }) ?? "", /belongs to user 8/);
  match(reason({ ...DIRECTORY, uid: 8, mode: 0o2775 }) ?? "", /to user 8/);
  match(reason({ ...LINK, uid: 8, mode: 0o777 }) ?? "", /link of user 8/);
  match(reason({ ...DIRECTORY, uid: 7, mode: 0o777 }) ?? "", /mode 0777/);
  match(reason({ ...DIRECTORY, uid: 0, mode: 0o757 }) ?? "", /mode 0757/);
  match(reason({ ...FILE, uid: 7, mode: 0o602 }) ?? "", /mode 0602/);
  match(reason({ ...FILE, uid: null, mode: 0o600 }) ?? "", /cannot be known/);
  match(reason({ ...FILE, uid: 7, mode: null }) ?? "", /cannot be known/);
});

Deno.test("distrust() lets an ordinary user and root let a group write, for that user, and nobody for root", () => {
  for (const uid of [0, 7]) {
    // An access control list appears in the same bits.
    strictEqual(reason({ ...DIRECTORY, uid, mode: 0o42775 }), undefined);
    // Kubernetes gives the group of a volume each file in it.
    strictEqual(reason({ ...FILE, uid, mode: 0o100660 }), undefined);
  }
  match(rootsReason({ ...DIRECTORY, uid: 0, mode: 0o775 }) ?? "", /mode 0775/);
  match(rootsReason({ ...FILE, uid: 0, mode: 0o660 }) ?? "", /mode 0660/);
  match(rootsReason({ ...DIRECTORY, uid: 7, mode: 0o700 }) ?? "", /to user 7/);
});

Deno.test("distrust() asks a user for nothing that only root can do", () => {
  const hint = (uid: number) =>
    distrust({ ...DIRECTORY, uid, mode: 0o777 }, {
      path: "/p",
      user: 7,
      root: 0,
    })?.hint ?? "";

  match(hint(7), /^Take that right away.*: chmod o-w "\/p"$/);
  match(hint(0), /^Choose another path, or let root .*: chmod o-w "\/p"$/);
});

Deno.test("distrust() believes the owner of / as root where a user namespace knows no root", () => {
  const at = (entry: Entry, user: number) =>
    distrust(entry, { path: "/p", user, root: 65534 })?.reason;

  for (const user of [0, 7]) {
    strictEqual(at({ ...DIRECTORY, uid: 65534, mode: 0o755 }, user), undefined);
    strictEqual(
      at({ ...DIRECTORY, uid: 65534, mode: 0o41777 }, user),
      undefined,
    );
    // Its user 0 is an ordinary one outside.
    strictEqual(at({ ...DIRECTORY, uid: user, mode: 0o775 }, user), undefined);
    match(at({ ...DIRECTORY, uid: 8, mode: 0o755 }, user) ?? "", /to user 8/);
    match(
      at({ ...DIRECTORY, uid: 65534, mode: 0o777 }, user) ?? "",
      /mode 0777/,
    );
  }
});

Deno.test("distrust() believes a sticky directory of root's, and no other sticky one", () => {
  strictEqual(reason({ ...DIRECTORY, uid: 0, mode: 0o41777 }), undefined);
  match(reason({ ...DIRECTORY, uid: 7, mode: 0o41777 }) ?? "", /mode 1777/);
  match(reason({ ...FILE, uid: 0, mode: 0o101666 }) ?? "", /mode 1666/);
  strictEqual(isSticky({ uid: 0, mode: 0o41777 }), true);
  strictEqual(isSticky({ uid: 0, mode: 0o41755 }), false);
  strictEqual(isSticky({ uid: 7, mode: 0o41777 }), false);
});
