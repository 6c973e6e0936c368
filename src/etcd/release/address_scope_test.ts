import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type AddressScope, isNarrower, scopeOf } from "./address_scope.ts";

const SCOPES: Readonly<Record<AddressScope, readonly string[]>> = {
  global: [
    "8.8.8.8",
    "140.82.121.4",
    "2606:4700::1",
    "::ffff:8.8.8.8",
    // Through NAT64, as in networks without IPv4.
    "64:ff9b::8c52:7904",
    "64:ff9b:1::8c52:7904",
    "64:ff9b:1:8c52:79:400::",
    "64:ff9b:1:8c:52:7904::",
    "64:ff9b:1:0:8c:5279:400::",
    "2002:808:808::1",
    // Of a proxy that captures all connections.
    "198.18.0.5",
    "203.0.113.9",
    "2001:db8::1",
  ],
  site: [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.0.8",
    "240.0.0.1",
    "fd12::1",
    "fec0::1",
    "4000::1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
  ],
  machine: [
    "127.0.0.1",
    "127.9.9.9",
    "169.254.1.1",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1:7f00:0:100::",
    "2002:7f00:1::1",
    "2001:0:7f00:1::1",
    // The client's address, inverted.
    "2001:0:808:808::80ff:fffe",
  ],
  metadata: [
    "169.254.169.254",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd00:42::42",
    "::ffff:a9fe:a9fe",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1:a9:fe:a9fe::",
    "64:ff9b:1:0:a9:fea9:fe00::",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
  ],
};

for (const [scope, addresses] of Object.entries(SCOPES)) {
  Deno.test(`scopeOf() tells that an address is ${scope}`, () => {
    for (const address of addresses) {
      strictEqual(scopeOf(address), scope, address);
    }
  });
}

Deno.test("isNarrower() lets a redirect stay in a scope or lead out of it", () => {
  const narrower = (["global", "site", "machine", "metadata"] as const).map(
    (from) =>
      (["global", "site", "machine", "metadata"] as const)
        .filter((to) => isNarrower(to, from)),
  );

  deepStrictEqual(narrower, [
    ["site", "machine", "metadata"],
    ["machine", "metadata"],
    ["metadata"],
    ["metadata"],
  ]);
});
