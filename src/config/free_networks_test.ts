import { deepStrictEqual, match, throws } from "node:assert/strict";
import { KatError } from "../base/errors.ts";
import { chooseFreeNetworks } from "./free_networks.ts";

const CASES: readonly (readonly [
  name: string,
  routes: readonly string[],
  cluster: string,
  service: string,
])[] = [
  ["no route", [], "10.100.0.0/16", "10.200.0.0/16"],
  [
    "a default route, also in parts",
    ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "8.0.0.0/5"],
    "10.100.0.0/16",
    "10.200.0.0/16",
  ],
  ["a host", ["10.100.7.9/32"], "10.101.0.0/16", "10.200.0.0/16"],
  ["an address", ["10.200.1.7/24"], "10.100.0.0/16", "10.101.0.0/16"],
  [
    "both and a neighbour",
    ["10.100.0.0/14", "10.200.0.0/16"],
    "10.104.0.0/16",
    "10.105.0.0/16",
  ],
  ["a tunnel to 10/8", ["10.0.0.0/8"], "172.31.0.0/16", "172.30.0.0/16"],
  [
    "only one other range left",
    ["10.0.0.0/8", "172.16.0.0/12"],
    "192.168.0.0/16",
    "100.127.0.0/16",
  ],
  [
    "only the low networks left",
    ["172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "10.100.0.0/9"]
      .concat("10.128.0.0/9").map((one) =>
        one.replace("100.0.0/9", "64.0.0/10")
      ),
    "10.63.0.0/16",
    "10.62.0.0/16",
  ],
  [
    "what is no route",
    ["", "x/8", "fe80::/64", "10/8"],
    "10.100.0.0/16",
    "10.200.0.0/16",
  ],
];

for (const [name, routes, clusterCIDR, serviceCIDR] of CASES) {
  Deno.test(`chooseFreeNetworks() finds two beside ${name}`, () => {
    deepStrictEqual(chooseFreeNetworks(routes), { clusterCIDR, serviceCIDR });
  });
}

Deno.test("chooseFreeNetworks() says what to do where none is free", () => {
  const routes = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/24",
    "100.64.0.0/10",
  ];

  throws(() => chooseFreeNetworks(routes), (error) => {
    match((error as KatError).hint ?? "", /fd00:100::\/48.*--config/);
    return error instanceof KatError;
  });
});
