import { match, strictEqual } from "node:assert/strict";
import { explainSilentMember } from "./silent_member.ts";

Deno.test("explainSilentMember() tells a stopped member from one behind a firewall and one that never started", () => {
  const member = { name: "n2", url: "http://10.0.0.2:2379", memberId: "a1" };

  strictEqual(
    explainSilentMember({ ...member, isPeerOpen: false }),
    "does not answer: start its agent",
  );
  match(
    explainSilentMember({ ...member, isPeerOpen: true }),
    /port for its peers is open: port 2379 cannot be reached from here, .*firewall/,
  );
  match(
    explainSilentMember({ ...member, name: "", isPeerOpen: false }),
    /was added to etcd and has never started: .*etcdctl member remove a1$/,
  );
  // An endpoint of which nothing else is known.
  strictEqual(
    explainSilentMember({ name: "", url: "http://10.0.0.2:2379" }),
    "does not answer: start its agent",
  );
});
