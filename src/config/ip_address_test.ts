import assert from "node:assert/strict";

import {
  type Cidr,
  cidrsOverlap,
  parseCidr,
  parseIpAddress,
} from "./ip_address.ts";

function cidr(text: string): Cidr {
  const checked = parseCidr(text);
  assert("value" in checked, text);
  return checked.value;
}

Deno.test("parseIpAddress() reads one spelling of IPv4 and every plain one of IPv6", () => {
  assert.deepEqual(parseIpAddress("10.0.0.255"), {
    value: { family: 4, text: "10.0.0.255", bits: 0x0a0000ffn },
  });
  assert.deepEqual(parseIpAddress("FD00:0:0::01"), {
    value: { family: 6, text: "fd00::1", bits: (0xfd00n << 112n) + 1n },
  });
});

Deno.test("parseIpAddress() refuses what other programs read in other ways", () => {
  const texts = [
    "",
    "10",
    "10.1",
    "167772161",
    "10.0.0.010",
    "0x0a.0.0.1",
    "10.0.0.256",
    "10.0.0.1.",
    " 10.0.0.1",
    "10.0.0.1\n",
    "10.0.0.١",
    "1e1.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a00:1",
    "::10.0.0.1",
    "fe80::1%eth0",
    "[::1]",
    "1::2::3",
    ":",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "::g",
  ];
  for (const text of texts) {
    assert("found" in parseIpAddress(text), text);
  }
});

Deno.test("parseCidr() names the network that host bits hide", () => {
  assert.deepEqual(parseCidr("10.1.2.3/16"), {
    found: '"10.1.2.3/16", which has host bits (its network is 10.1.0.0/16)',
  });
  assert.deepEqual(parseCidr("fd00::1:0:0:1/64"), {
    found: '"fd00::1:0:0:1/64", which has host bits (its network is fd00::/64)',
  });
});

Deno.test("parseCidr() gives the first and the last address", () => {
  assert.deepEqual(cidr("10.1.0.0/16"), {
    family: 4,
    text: "10.1.0.0/16",
    prefix: 16,
    first: 0x0a010000n,
    last: 0x0a01ffffn,
  });
  assert.equal(cidr("255.255.255.255/32").last, 0xffffffffn);
});

Deno.test("cidrsOverlap() holds in both directions, and never between families", () => {
  const [wide, narrow, beside] = [
    cidr("10.0.0.0/8"),
    cidr("10.255.255.255/32"),
    cidr("11.0.0.0/8"),
  ];

  assert.equal(cidrsOverlap(wide, narrow), true);
  assert.equal(cidrsOverlap(narrow, wide), true);
  assert.equal(cidrsOverlap(wide, wide), true);
  assert.equal(cidrsOverlap(wide, beside), false);
  assert.equal(cidrsOverlap(beside, narrow), false);
  assert.equal(cidrsOverlap(wide, cidr("::a00:0/104")), false);
});
