import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { peersInLog } from "./log_peers.ts";

const line = (msg: string, fields: object) =>
  JSON.stringify({ level: "info", msg, ...fields });

const OWN = line("added member", {
  "local-member-id": "a",
  "added-peer-id": "a",
  "added-peer-peer-urls": ["http://10.0.0.1:2380"],
});
const ADDED = line("recovered/added member from store", {
  "local-member-id": "a",
  "recovered-remote-peer-id": "b",
  "recovered-remote-peer-urls": ["http://10.0.0.2:2380"],
});

const peer = (more: object = {}) => ({
  peerUrl: "http://10.0.0.2:2380",
  isOwn: false,
  isActive: false,
  refuses: false,
  ...more,
});

Deno.test("peersInLog() finds the members that etcd counts", () => {
  const peers = peersInLog([OWN, 'no JSON -peer-urls":', ADDED]);

  strictEqual(peers.get("a")?.isOwn, true);
  deepStrictEqual(peers.get("b"), peer());
});

Deno.test("peersInLog() tells which are connected, refuse, or were removed, also from later lines alone", () => {
  const known = peersInLog([OWN, ADDED]);
  const mismatch = line("request sent was ignored due to cluster ID mismatch", {
    "remote-peer-id": "b",
  });
  const active = line("peer became active", { "peer-id": "b" });
  const removed = line("removed member", { "removed-remote-peer-id": "b" });

  const refused = peersInLog([mismatch], known);
  deepStrictEqual(refused.get("b"), peer({ refuses: true }));
  const connected = peersInLog([active], refused);
  deepStrictEqual(connected.get("b"), peer({ isActive: true }));
  strictEqual(peersInLog([removed], connected).has("b"), false);
});
