/**
 * Two networks for a new cluster that no route of its machine uses: pure.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import { type Cidr, cidrsOverlap, parseCidr } from "./ip_address.ts";
import { SPEC_DEFAULTS } from "./spec_rules.ts";

/** A cluster's two networks. */
export interface FreeNetworks {
  /** `spec.clusterCIDR`. */
  readonly clusterCIDR: string;
  /** `spec.serviceCIDR`. */
  readonly serviceCIDR: string;
}

/** Shorter ones are halves and other parts of the default route, as tunnels make them. */
const SHORTEST_PREFIX = 8;

const upTo = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

/**
 * What is tried after the usual two: their neighbours, the other private ranges
 * (RFC 1918), carriers' own (RFC 6598), and the rest of 10.0.0.0/8, whose low
 * networks are the most used.
 */
const OTHERS: readonly string[] = [
  ...upTo(101, 199).map((n) => `10.${n}.0.0/16`),
  ...upTo(16, 31).reverse().map((n) => `172.${n}.0.0/16`),
  "192.168.0.0/16",
  ...upTo(64, 127).reverse().map((n) => `100.${n}.0.0/16`),
  ...upTo(201, 255).map((n) => `10.${n}.0.0/16`),
  ...upTo(0, 99).reverse().map((n) => `10.${n}.0.0/16`),
];

/**
 * Chooses the usual networks where no route of `routes` leads to them, else
 * others of the same size.
 *
 * @throws {KatError} if no two are free.
 */
export function chooseFreeNetworks(routes: readonly string[]): FreeNetworks {
  const used = routes.map(networkOf).filter((one) =>
    one !== undefined && one.prefix >= SHORTEST_PREFIX
  ) as readonly Cidr[];
  const isFree = (text: string) => {
    const network = cidr(text);
    return !used.some((one) => cidrsOverlap(one, network));
  };
  const { clusterCIDR: cluster, serviceCIDR: service } = SPEC_DEFAULTS;
  const clusterCIDR = [cluster, ...OTHERS].find(isFree);
  const serviceCIDR = [service, ...OTHERS].find((text) =>
    text !== clusterCIDR && isFree(text)
  );
  if (clusterCIDR !== undefined && serviceCIDR !== undefined) {
    return { clusterCIDR, serviceCIDR };
  }
  throw new KatError(
    "Cannot choose two networks for the cluster: routes of this machine lead to all private IPv4 networks",
    {
      hint:
        "Write a cluster.kat with a spec.clusterCIDR and a spec.serviceCIDR that your network does not use, as fd00:100::/48 and fd00:200::/48, and give it with --config; examples/cluster.kat is one to start from",
    },
  );
}

/** The network of a route or of an interface's address; `undefined` if the text is none. */
function networkOf(text: string): Cidr | undefined {
  const [address = "", length] = text.split("/");
  const prefix = Number(length);
  const bits = address.split(".")
    .reduce((all, octet) => all * 256 + Number(octet), 0);
  if (!Number.isInteger(bits) || !(prefix >= 1 && prefix <= 32)) {
    return undefined;
  }
  const size = 2 ** (32 - prefix);
  const first = Math.floor(bits / size) * size;
  return {
    family: 4,
    text,
    prefix,
    first: BigInt(first),
    last: BigInt(first + size - 1),
  };
}

function cidr(text: string): Cidr {
  const checked = parseCidr(text);
  if ("value" in checked) return checked.value;
  throw new TypeError(`Cannot read ${checked.found}`);
}
