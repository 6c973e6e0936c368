import assert from "node:assert/strict";

import { UsageError } from "../base/errors.ts";
import {
  parseAdvertiseAddress,
  parseEndpoints,
  parseInitialCluster,
  parseNodeName,
} from "./node_settings.ts";

function assertRefused(parse: () => unknown, why: RegExp = /^Cannot /): void {
  assert.throws(parse, (error) => {
    assert(error instanceof UsageError, String(error));
    assert.match(error.message, why);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(error.message, /[\0-\x1f\x7f]/);
    assert.equal(error.exitCode, 2);
    assert.equal(typeof error.hint, "string");
    return true;
  });
}

Deno.test("parseNodeName() returns host names in lower case as they are", () => {
  const longest = [63, 63, 63, 61].map((length) => "a".repeat(length));
  for (const name of ["n1", "node-1.example.org", "7", longest.join(".")]) {
    assert.equal(parseNodeName(name), name);
  }
});

Deno.test("parseNodeName() refuses what would break keys, arguments or terminals", () => {
  const names = [
    "",
    "N1",
    "n1,n2",
    "n1=x",
    "n 1",
    "n1\n",
    "n\t1",
    "-n1",
    "n1-",
    "a/b",
    "..",
    "../x",
    "a..b",
    ".a",
    "a.",
    "n_1",
    "nоde",
    "\x1b[31mn1",
    "a\0b",
    "a".repeat(64),
    "a.".repeat(126) + "ab",
    "a".repeat(131_072),
  ];
  for (const name of names) assertRefused(() => parseNodeName(name));
});

Deno.test("parseAdvertiseAddress() returns the canonical text of an address", () => {
  assert.equal(parseAdvertiseAddress("127.0.0.1"), "127.0.0.1");
  assert.equal(parseAdvertiseAddress("10.0.0.1"), "10.0.0.1");
  assert.equal(parseAdvertiseAddress("FD00:0:0::1"), "fd00::1");
  assert.equal(parseAdvertiseAddress("::1"), "::1");
});

Deno.test("parseAdvertiseAddress() refuses what others cannot reach one node at", () => {
  const wrong: Readonly<Record<string, RegExp>> = {
    "0.0.0.0": /every address/,
    "0.1.2.3": /every address/,
    "::": /every address/,
    "0::0": /every address/,
    "224.0.0.1": /multicast/,
    "255.255.255.255": /broadcast/,
    "ff02::1": /multicast/,
    "fe80::1": /link-local/,
    "febf::1": /link-local/,
    "fe80::1%eth0": /zone/,
    "::ffff:10.0.0.1": /IPv4 written as IPv6/,
    "010.0.0.1": /leading zeros/,
    "10.0.0.1:2380": /no IP address/,
    "[::1]": /no IP address/,
    "node.example": /no IP address/,
    "": /no IP address/,
  };
  for (const [text, why] of Object.entries(wrong)) {
    assertRefused(() => parseAdvertiseAddress(text), why);
  }
});

Deno.test("parseInitialCluster() reads one to nine members", () => {
  assert.deepEqual(
    parseInitialCluster("n1=http://10.0.0.1:2380,n2=http://[FD00::0:2]:12380"),
    [
      { name: "n1", peerUrl: "http://10.0.0.1:2380" },
      { name: "n2", peerUrl: "http://[fd00::2]:12380" },
    ],
  );
  const nine = Array.from(
    { length: 9 },
    (_, index) => `n${index}=http://127.0.0.1:${2380 + index}`,
  );
  assert.equal(parseInitialCluster(nine.join(",")).length, 9);
});

Deno.test("parseInitialCluster() and parseEndpoints() read lists with blanks and on several lines", () => {
  assert.deepEqual(
    parseInitialCluster(
      " n1 = http://10.0.0.1:2380,\n\tn2=http://10.0.0.2:2380 \n",
    ),
    parseInitialCluster("n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380"),
  );
  assert.deepEqual(
    parseEndpoints(" http://10.0.0.1:2379 ,\r\n http://etcd-2:2379\n"),
    ["http://10.0.0.1:2379", "http://etcd-2:2379"],
  );
});

Deno.test("parseInitialCluster() says what is wrong with a member", () => {
  const ten = Array.from(
    { length: 10 },
    (_, index) => `n${index}=http://127.0.0.1:${2380 + index}`,
  );
  const wrong: readonly (readonly [text: string, why: RegExp])[] = [
    ["", /Cannot use --initial-cluster: it is empty/],
    [" \n", /it is empty/],
    ["n1", /no "="/],
    ["n1=http://10.0.0.1:2380,", /item 2 of 2 is empty/],
    ["n1=http://10.0.0.1:2380, ,n3=http://10.0.0.3:2380", /item 2 of 3 is/],
    ["=http://10.0.0.1:2380", /"" as a node's name/],
    ["N1=http://10.0.0.1:2380", /"N1" as a node's name/],
    ["n1=http://10.0.0.1:2380 n2=http://10.0.0.2:2380", /HOST:PORT/],
    ["n 1=http://10.0.0.1:2380", /"n 1" as a node's name in --initial-cluster/],
    ["n1=http://10.0.0.1:2380, n1=http://10.0.0.2:2380", /"n1" a second time/],
    ["n1=https://10.0.0.1:2380", /TLS is not supported yet/],
    ["n1=HTTPS://10.0.0.1:2380", /TLS is not supported yet/],
    ["n1=10.0.0.1:2380", /not http:\/\/HOST:PORT/],
    ["n1=http://10.0.0.1:2380/", /not http:\/\/HOST:PORT/],
    ["n1=http://10.0.0.1:2380?a=b", /not http:\/\/HOST:PORT/],
    ["n1=http://10.0.0.1", /no port/],
    ["n1=http://[fd00::1]", /no port/],
    ["n1=http://10.0.0.1:0", /port is not one/],
    ["n1=http://10.0.0.1:65536", /port is not one/],
    ["n1=http://10.0.0.1:02380", /port is not one/],
    ["n1=http://node.example:2380", /host is no IP address/],
    ["n1=http://localhost:2380", /host is no IP address/],
    ["n1=http://:2380", /host is no IP address/],
    ["n1=http://[10.0.0.1]:2380", /host is no IP address/],
    ["n1=http://fd00::1:2380", /not http:\/\/HOST:PORT/],
    ["n1=http://010.0.0.1:2380", /host is no IP address/],
    ["n1=http://0.0.0.0:2380", /every address/],
    ["n1=http://[::]:2380", /every address/],
    ["n1=http://[ff02::1]:2380", /multicast/],
    ["n1=http://10.0.0.1:2380,n1=http://10.0.0.2:2380", /"n1" a second time/],
    ["n1=http://10.0.0.1:2380,n2=http://10.0.0.1:2380", /:2380" a second time/],
    ["n1=http://[fd00::1]:1,n2=http://[FD00:0::1]:1", /:1" a second time/],
    [ten.join(","), /10 members: more than 9/],
    ["n1=http://10.0.0.1:2380\x1b[31m", /Cannot use/],
  ];
  for (const [text, why] of wrong) {
    assertRefused(() => parseInitialCluster(text), why);
  }
});

Deno.test("parseInitialCluster() does not repeat a password", () => {
  assertRefused(
    () => parseInitialCluster("n1=http://user:secret@10.0.0.1:2380"),
    /^Cannot use a URL with a user in it$/,
  );
});

Deno.test("parseEndpoints() reads addresses and host names", () => {
  assert.deepEqual(
    parseEndpoints(
      "http://10.0.0.1:2379,http://Etcd-2.Example:2379,http://[::1]:2379",
    ),
    [
      "http://10.0.0.1:2379",
      "http://etcd-2.example:2379",
      "http://[::1]:2379",
    ],
  );
});

Deno.test("parseEndpoints() says what is wrong with a URL", () => {
  const wrong: readonly (readonly [text: string, why: RegExp])[] = [
    ["", /Cannot use --endpoints: it is empty/],
    ["10.0.0.1:2379", /not http:\/\/HOST:PORT/],
    ["ftp://10.0.0.1:2379", /not http:\/\/HOST:PORT/],
    ["http://10.0.0.1:2379,", /item 2 of 2 is empty/],
    [",http://10.0.0.1:2379", /item 1 of 2 is empty/],
    ["http://a:2379 , http://A:2379", /"http:\/\/a:2379" a second time/],
    ["http://10.0.0.1:2379/v3", /not http:\/\/HOST:PORT/],
    ["https://10.0.0.1:2379", /TLS is not supported yet/],
    ["http://etcd", /no port/],
    ["http://etcd_1:2379", /host is no host name/],
    ["http://-etcd:2379", /host is no host name/],
    ["http://10.0.0.300:2379", /host is no IP address/],
    ["http://0.0.0.0:2379", /every address/],
    ["http://etcd:2379,http://ETCD:2379", /"http:\/\/etcd:2379" a second time/],
    ["http://me:secret@etcd:2379", /^Cannot use a URL with a user in it$/],
  ];
  for (const [text, why] of wrong) {
    assertRefused(() => parseEndpoints(text), why);
  }
});
