/**
 * From where an address can be reached: pure.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

/**
 * From everywhere, from a network of one owner, or from one machine only. What
 * clouds tell their machines, passwords included, is at addresses of the last kind.
 */
export type AddressScope = "global" | "site" | "machine" | "metadata";

const SCOPES: readonly AddressScope[] = [
  "global",
  "site",
  "machine",
  "metadata",
];

/** Where clouds answer their machines: AWS, Azure, Google; Alibaba; Oracle; Azure; AWS, Google and Scaleway by IPv6. */
const METADATA: ReadonlySet<string> = new Set([
  "169.254.169.254",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  "fd00:ec2::254",
  "fd20:ce::254",
  "fd00:42::42",
]);

/**
 * Reserved for documents and for tests: no machine of a site is there, but a proxy
 * that captures all connections takes such addresses in place of public ones.
 */
const UNUSED_NETWORKS = [
  "192.0.2.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "2001:2::/48",
  "2001:db8::/32",
].map((text) => ipaddr.parseCIDR(text));

/** What IANA gives to the Internet; the rest of IPv6 is reserved. */
const GLOBAL_IPV6 = ipaddr.parseCIDR("2000::/3");

const MACHINE_RANGES: ReadonlySet<string> = new Set([
  "broadcast",
  "discard",
  "linkLocal",
  "loopback",
  "multicast",
  "unspecified",
]);

/** Whether `to` can be reached from fewer machines than `from`; nothing may lead to a cloud's own addresses. */
export function isNarrower(to: AddressScope, from: AddressScope): boolean {
  return to === "metadata" || SCOPES.indexOf(to) > SCOPES.indexOf(from);
}

/** The wider of two scopes. */
export function wider(one: AddressScope, other: AddressScope): AddressScope {
  return SCOPES.indexOf(one) < SCOPES.indexOf(other) ? one : other;
}

/** The scope of an address, or of the narrowest address that it carries in itself. */
export function scopeOf(text: string): AddressScope {
  // A zone names an interface of this machine.
  const address = ipaddr.process(text.replace(/%.*$/, ""));
  const carried = address instanceof ipaddr.IPv6 ? ipv4In(address) : [];
  return (carried.length === 0 ? [address] : carried).map(plainScope)
    .reduce((one, other) => isNarrower(one, other) ? one : other);
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

function plainScope(address: Address): AddressScope {
  if (METADATA.has(address.toString())) return "metadata";
  const range = address.range();
  if (MACHINE_RANGES.has(range)) return "machine";
  if (UNUSED_NETWORKS.some((network) => isIn(address, network))) {
    return "global";
  }
  if (range !== "unicast") return "site";
  return address.kind() === "ipv4" || isIn(address, GLOBAL_IPV6)
    ? "global"
    : "site";
}

function isIn(address: Address, [network, bits]: [Address, number]): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

/** The IPv4 addresses that a translator or a tunnel may send a packet for `address` to. */
function ipv4In(address: ipaddr.IPv6): readonly ipaddr.IPv4[] {
  const bytes = address.toByteArray();
  const at = (...places: readonly number[]) =>
    new ipaddr.IPv4(places.map((place) => bytes[place] ?? 0));
  const isZeroFrom = (first: number) =>
    bytes.slice(first).every((byte) => byte === 0);
  if (address.range() === "6to4") return [at(2, 3, 4, 5)];
  if (address.range() === "teredo") {
    // The server's, and the client's with each bit inverted (RFC 4380).
    const client = bytes.slice(12).map((byte) => byte ^ 0xff);
    return [at(4, 5, 6, 7), new ipaddr.IPv4(client)];
  }
  // IPv4-compatible, or translated without state (RFC 7915).
  if (/^::(?:ffff:0:)?[\da-f]+:[\da-f]+$/.test(address.toString())) {
    return [at(12, 13, 14, 15)];
  }
  // NAT64. A network's own prefix may be longer than 48 bits, and the address then
  // lies farther behind; the ninth byte is left out (RFC 6052, 2.2).
  if (isIn(address, LOCAL_NAT64)) {
    if (isZeroFrom(11)) return [at(6, 7, 9, 10)];
    if (isZeroFrom(12)) return [at(7, 9, 10, 11)];
    if (isZeroFrom(13)) return [at(9, 10, 11, 12)];
    return [at(12, 13, 14, 15)];
  }
  return address.range() === "rfc6052" ? [at(12, 13, 14, 15)] : [];
}

/** RFC 8215. */
const LOCAL_NAT64 = ipaddr.parseCIDR("64:ff9b:1::/48");
