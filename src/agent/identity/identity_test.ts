import {
  deepStrictEqual,
  match,
  rejects,
  strictEqual,
  throws,
} from "node:assert/strict";
import { tempDir } from "../../../tests/machine/temp_dir.ts";
import {
  decodeIdentity,
  encodeIdentity,
  type Identity,
  readIdentity,
} from "./identity.ts";
import { findStepBack, refuseStepBack } from "./refuse_identity.ts";

const IDENTITY: Identity = {
  clusterId: "dc50eab0d4f9f3e0",
  memberId: "66785038d7b0d2c8",
  clusterUid: "0b0f7f0c-7a44-4d2b-9a5e-0f6f4d0c9a11",
  nodeName: "n1",
  etcdVersion: "3.6.14",
  clusterVersion: "3.6.0",
  // Not exact as a JSON number.
  revision: 2n ** 53n + 1n,
};

Deno.test("decodeIdentity() reads back what encodeIdentity() wrote", () => {
  const text = encodeIdentity(IDENTITY);

  deepStrictEqual(decodeIdentity(text, "identity.json"), IDENTITY);
  strictEqual(JSON.parse(text).revision, "9007199254740993");
});

Deno.test("decodeIdentity() reads what was written before the cluster agreed on a version", () => {
  const { clusterVersion: _, ...early } = IDENTITY;

  deepStrictEqual(decodeIdentity(encodeIdentity(early), "x"), early);
});

const DAMAGED: readonly (readonly [string, string, RegExp])[] = [
  ["an empty file", "", /no JSON/],
  ["half a file", encodeIdentity(IDENTITY).slice(0, 60), /no JSON/],
  ["another file", "{}", /"formatVersion" is wrong/],
  [
    "a negative revision",
    encodeIdentity({ ...IDENTITY, revision: -1n }),
    /"revision" is wrong/,
  ],
  [
    "a member that is no number",
    encodeIdentity({ ...IDENTITY, memberId: "n1" }),
    /"memberId" is wrong/,
  ],
  [
    "a newer format",
    JSON.stringify({ formatVersion: 2 }),
    /format 2, and this kat-agent knows 1/,
  ],
];
for (const [what, text, message] of DAMAGED) {
  Deno.test(`decodeIdentity() refuses ${what}`, () => {
    throws(() => decodeIdentity(text, "/data/identity.json"), message);
  });
}

Deno.test("readIdentity() knows nothing when no file was written, and refuses a link", async () => {
  await using dir = await tempDir();
  strictEqual(await readIdentity(`${dir.path}/identity.json`), undefined);
  await Deno.symlink("/dev/zero", `${dir.path}/identity.json`);
  await rejects(
    readIdentity(`${dir.path}/identity.json`),
    /not a regular file/,
  );
});

Deno.test("findStepBack() finds nothing when the store is as far as it was, or further", () => {
  strictEqual(findStepBack(undefined, IDENTITY), undefined);
  strictEqual(findStepBack(IDENTITY, IDENTITY), undefined);
  const further = { ...IDENTITY, revision: IDENTITY.revision + 1n };
  strictEqual(findStepBack(IDENTITY, further), undefined);
});

Deno.test("findStepBack() tells a lower revision, another member and another cluster", () => {
  const lower = { ...IDENTITY, revision: IDENTITY.revision - 1n };
  match(
    findStepBack(IDENTITY, lower)?.why ?? "",
    /came back at revision 9007199254740992.*9007199254740993: writes are lost/,
  );
  const member = { ...IDENTITY, memberId: "1" };
  match(findStepBack(IDENTITY, member)?.why ?? "", /etcd is member 1 of/);
  const cluster = { ...IDENTITY, clusterId: "2" };
  match(findStepBack(IDENTITY, cluster)?.why ?? "", /of etcd cluster 2/);
  throws(() => refuseStepBack(IDENTITY, lower), {
    message: /^Cannot serve: the store came back/,
    hint: /delete identity\.json/,
  });
});
