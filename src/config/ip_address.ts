/**
 * IP addresses and networks, read strictly: one spelling means one thing to
 * every program that reads it.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

import { type Checked, quote } from "./rule.ts";

/** An IP address. */
export interface IpAddress {
  /** 4 or 6. */
  readonly family: 4 | 6;
  /** Its canonical text (RFC 5952 for IPv6). */
  readonly text: string;
  /** Its bits as a number: 32 of them, or 128. */
  readonly bits: bigint;
}

/** A range of addresses with a common prefix. */
export interface Cidr {
  /** 4 or 6. */
  readonly family: 4 | 6;
  /** Its canonical text, as `10.100.0.0/16`. */
  readonly text: string;
  /** The length of the prefix in bits. */
  readonly prefix: number;
  /** The first address as a number. */
  readonly first: bigint;
  /** The last address as a number. */
  readonly last: bigint;
}

/** Returns how many bits an address of `family` has. */
export function addressBits(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

/** Reads an IP address; refuses octal, hexadecimal, short, IPv4-mapped and zoned ones. */
export function parseIpAddress(text: string): Checked<IpAddress> {
  const address = readAddress(text);
  return typeof address === "string"
    ? { found: `${quote(text)}, ${address}` }
    : { value: address };
}

/** Returns the address, or the reason why there is none. */
function readAddress(text: string): IpAddress | string {
  if (text.includes(":")) return readIpv6(text);
  const octets = text.split(".");
  if (octets.length !== 4 || !octets.every((octet) => /^\d+$/.test(octet))) {
    return "which is no IP address";
  }
  if (octets.some((octet) => /^0\d/.test(octet))) {
    return "which has leading zeros";
  }
  if (octets.some((octet) => octet.length > 3 || Number(octet) > 255)) {
    return "which has a number above 255";
  }
  return { family: 4, text, bits: toBits(octets.map(Number)) };
}

function readIpv6(text: string): IpAddress | string {
  if (text.includes("%")) return "which has a zone";
  if (!/^[\da-f:.]+$/i.test(text) || !ipaddr.IPv6.isValid(text)) {
    return "which is no IP address";
  }
  const address = ipaddr.IPv6.parse(text);
  if (text.includes(".") || address.isIPv4MappedAddress()) {
    return "which is IPv4 written as IPv6";
  }
  return {
    family: 6,
    text: address.toRFC5952String(),
    bits: toBits(address.toByteArray()),
  };
}

/** Reads a network as `10.100.0.0/16`, without host bits; /0 is none. */
export function parseCidr(text: string): Checked<Cidr> {
  const cidr = readCidr(text);
  return typeof cidr === "string"
    ? { found: `${quote(text)}, ${cidr}` }
    : { value: cidr };
}

/** Returns the network, or the reason why there is none. */
function readCidr(text: string): Cidr | string {
  const [before = "", length, ...rest] = text.split("/");
  if (length === undefined) return "which has no prefix length";
  const address = readAddress(before);
  if (typeof address === "string") return address;
  const { family, bits } = address;
  const size = addressBits(family);
  const prefix = Number(length);
  if (
    rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(length) || prefix > size
  ) {
    return `whose prefix length is not a number from 1 to ${size}`;
  }
  if (prefix === 0) return "which is every address there is";
  const hostBits = BigInt(size - prefix);
  const first = (bits >> hostBits) << hostBits;
  if (first !== bits) {
    const network = formatAddress(first, family);
    return `which has host bits (its network is ${network}/${prefix})`;
  }
  return {
    family,
    text: `${address.text}/${prefix}`,
    prefix,
    first,
    last: first + (1n << hostBits) - 1n,
  };
}

/** Returns whether some address lies in both. */
export function cidrsOverlap(left: Cidr, right: Cidr): boolean {
  return left.family === right.family &&
    left.first <= right.last && right.first <= left.last;
}

function toBits(bytes: readonly number[]): bigint {
  return bytes.reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
}

function formatAddress(bits: bigint, family: 4 | 6): string {
  const bytes = [];
  for (let shift = addressBits(family) - 8; shift >= 0; shift -= 8) {
    bytes.push(Number((bits >> BigInt(shift)) & 0xffn));
  }
  const address = ipaddr.fromByteArray(bytes);
  return address instanceof ipaddr.IPv6
    ? address.toRFC5952String()
    : address.toString();
}
