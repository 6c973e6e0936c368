import { deepStrictEqual, ok } from "node:assert/strict";
import { parseRoutes, readRoutes } from "./routes.ts";

Deno.test("parseRoutes() reads the kernel's list of all tables", () => {
  const printed = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.8.0.0/16 2 0 2
        |-- 10.8.0.0
           /16 link UNICAST
           /24 link UNICAST
        |-- 10.8.0.2
           /32 host LOCAL
Id 52:
     |-- 100.64.0.7
        /32 universe UNICAST
`;
  deepStrictEqual(parseRoutes(printed), [
    "0.0.0.0/0",
    "10.8.0.0/16",
    "10.8.0.0/24",
    "10.8.0.2/32",
    "100.64.0.7/32",
  ]);
});

Deno.test("parseRoutes() reads the kernel's list of the main table", () => {
  const row = (destination: string, mask: string) =>
    `eth0\t${destination}\t00000000\t0001\t0\t0\t0\t${mask}\t0\t0\t0`;
  const printed = [
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU",
    row("00000000", "00000000"),
    row("0000640A", "0000FFFF"),
    row("000010AC", "0000F0FF"),
    "",
  ].join("\n");

  deepStrictEqual(parseRoutes(printed), [
    "0.0.0.0/0",
    "10.100.0.0/16",
    "172.16.0.0/12",
  ]);
});

Deno.test("parseRoutes() reads what netstat prints on macOS", () => {
  const printed = `Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            192.168.1.1        UGScg                 en0
0/1                utun3              USc                 utun3
10                 utun3              USc                 utun3
10.8/16            10.8.0.1           UGSc                utun3
127                127.0.0.1          UCS                   lo0
127.0.0.1          127.0.0.1          UH                    lo0
172.16/12          utun3              USc                 utun3
192.168.1          link#6             UCS                   en0      !
192.168.1.1/32     link#6             UCS                   en0      !
224.0.0/4          link#6             UmCS                  en0      !
`;
  deepStrictEqual(parseRoutes(printed), [
    "0.0.0.0/1",
    "10.0.0.0/8",
    "10.8.0.0/16",
    "127.0.0.0/8",
    "127.0.0.1/32",
    "172.16.0.0/12",
    "192.168.1.0/24",
    "192.168.1.1/32",
    "224.0.0.0/4",
  ]);
});

Deno.test("readRoutes() finds at least the loopback of this machine", async () => {
  const routes = await readRoutes();

  ok(routes.includes("127.0.0.1/8") || routes.includes("127.0.0.1/32"));
});
