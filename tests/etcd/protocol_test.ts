import { strictEqual } from "node:assert/strict";
import {
  describeProtocol,
  DESCRIPTOR_FILE,
} from "../../scripts/make_protocol.ts";

Deno.test("etcd_protocol.json is what deno task protocol makes of etcd3", async () => {
  strictEqual(await Deno.readTextFile(DESCRIPTOR_FILE), describeProtocol());
});
