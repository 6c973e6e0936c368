import { deepStrictEqual } from "node:assert/strict";
import { describeWait } from "./missing_peers.ts";

const peerAt = (host: number, more: object = {}) => ({
  peerUrl: `http://10.0.0.${host}:2380`,
  isOwn: host === 1,
  isActive: host === 1,
  refuses: false,
  ...more,
});
const members = [1, 2, 3].map((host) => ({
  name: `n${host}`,
  peerUrl: `http://10.0.0.${host}:2380`,
}));
const alone = members.slice(0, 1);

Deno.test("describeWait() speaks of no other members to a node that is alone", () => {
  for (const peers of [[], [peerAt(1)]]) {
    deepStrictEqual(describeWait(alone, { missing: [], peers }), {
      waitsFor: "etcd, which works through its log",
    });
  }
});

Deno.test("describeWait() names a member that etcd counts and no list has", () => {
  const peers = [peerAt(1), peerAt(9)];

  deepStrictEqual(describeWait(alone, { missing: [], peers }), {
    waitsFor:
      "the member at http://10.0.0.9:2380, which was added to etcd and does not run",
    needed: "2 of 2",
  });
});

Deno.test("describeWait() says which member refuses this one while another is missing", () => {
  const peers = [peerAt(1), peerAt(2, { refuses: true }), peerAt(3)];
  const missing = ["n3 (http://10.0.0.3:2380)"];

  deepStrictEqual(describeWait(members, { missing, peers }), {
    waitsFor:
      "n3 (http://10.0.0.3:2380), n2 (http://10.0.0.2:2380), which refuses this one",
    needed: "2 of 3",
    refused: "n2 (http://10.0.0.2:2380)",
  });
  deepStrictEqual(describeWait(members, { missing: [], peers: [] }), {
    waitsFor: "their election",
    needed: "2 of 3",
  });
});
