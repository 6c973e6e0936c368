/**
 * What belongs to one node and comes from its flags: name, addresses, peers.
 *
 * @module
 */

import { UsageError } from "../base/errors.ts";
import { urlOf } from "../base/url.ts";
import { type IpAddress, parseIpAddress } from "./ip_address.ts";
import { quote } from "./rule.ts";
import { isDnsName } from "./value_rules.ts";

/** One of the members that a cluster is first made of. */
export interface InitialMember {
  /** The node's name. */
  readonly name: string;
  /** Where the other members reach its etcd, as `http://10.0.0.1:2380`. */
  readonly peerUrl: string;
}

/** More members only make each write slower; etcd advises at most seven. */
const MAX_MEMBERS = 9;

/**
 * Returns `text` if it can name a node: it becomes a part of keys and of
 * etcd's own arguments.
 *
 * @throws {UsageError} when it cannot.
 */
export function parseNodeName(text: string): string {
  if (isDnsName(text)) return text;
  throw new UsageError(`Cannot use ${quote(text)} as a node's name`, {
    hint: `Give --node-name a host name: ${NAME_RULE}`,
  });
}

const NAME_RULE =
  'lower case a-z, 0-9, "-", and dots between labels of at most 63 characters';

/**
 * Returns the canonical text of an address at which others can reach this node.
 *
 * @throws {UsageError} when it is no IP address, or none that names one node.
 */
export function parseAdvertiseAddress(text: string): string {
  const address = parseIpAddress(text);
  if ("found" in address) {
    throw new UsageError(`Cannot advertise ${address.found}`, {
      hint: "Give --advertise-address an IP address of this node, " +
        "as 10.0.0.1 or fd00::1",
    });
  }
  const wrong = whyNotOneNode(address.value);
  if (wrong !== undefined) {
    throw new UsageError(`Cannot advertise ${quote(text)}: ${wrong}`, {
      hint: "Give --advertise-address the one address of this node that the " +
        "other nodes reach it at",
    });
  }
  return address.value.text;
}

/**
 * Reads the members of a cluster to be made, as
 * `n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380`.
 *
 * @throws {UsageError} when one of them is wrong or is there twice.
 */
export function parseInitialCluster(text: string): readonly InitialMember[] {
  const hint = "Give --initial-cluster every node once, " +
    "as n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380";
  const members = itemsOf(text, "--initial-cluster").map((part) => {
    const [, name = "", url = ""] = /^([^=]*?)\s*=\s*(.*)$/s.exec(part) ??
      fail(`Cannot read the initial member ${quote(part)}: no "="`, hint);
    const { url: peerUrl, address } = parseUrl(url, hint);
    if (address === undefined) {
      fail(`Cannot use ${quote(url)}: its host is no IP address`, hint);
    }
    if (!isDnsName(name)) {
      fail(
        `Cannot use ${quote(name)} as a node's name in --initial-cluster`,
        `${hint}; a name has ${NAME_RULE}`,
      );
    }
    return { name, peerUrl };
  });
  refuseTwice(members.map(({ name }) => name), "the member", hint);
  refuseTwice(members.map(({ peerUrl }) => peerUrl), "the URL", hint);
  if (members.length > MAX_MEMBERS) {
    fail(
      `Cannot make a cluster of ${members.length} members: ` +
        `more than ${MAX_MEMBERS}`,
      "Three members survive the loss of one, five the loss of two",
    );
  }
  return members;
}

/**
 * Reads the client URLs of an etcd that is there already, as
 * `http://10.0.0.1:2379,http://etcd-2.example:2379`.
 *
 * @throws {UsageError} when one of them is wrong or is there twice.
 */
export function parseEndpoints(text: string): readonly string[] {
  const hint = "Give --endpoints each member's client URL once, " +
    "as http://10.0.0.1:2379,http://10.0.0.2:2379";
  const urls = itemsOf(text, "--endpoints")
    .map((part) => parseUrl(part, hint).url);
  refuseTwice(urls, "the URL", hint);
  return urls;
}

/**
 * The items of a list, without the blanks around them.
 *
 * @throws {UsageError} if one is empty: a variable without a value may have
 * stood there, and what it names would be missing unsaid.
 */
function itemsOf(text: string, flag: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  const empty = items.indexOf("");
  if (empty >= 0) {
    const which = items.length === 1
      ? "it"
      : `item ${empty + 1} of ${items.length}`;
    fail(
      `Cannot use ${flag}: ${which} is empty`,
      "Remove the comma that is too much, or give what is missing",
    );
  }
  return items;
}

/** A URL that has a scheme, a host and a port, and nothing else. */
interface PlainUrl {
  readonly url: string;
  /** The host, if it is an IP address. */
  readonly address: IpAddress | undefined;
}

function parseUrl(text: string, hint: string): PlainUrl {
  // What may hold a password is not repeated.
  if (text.includes("@")) fail("Cannot use a URL with a user in it", hint);
  const cannot = `Cannot use ${quote(text)}`;
  if (/^https:/i.test(text)) fail(`${cannot}: TLS is not supported yet`, hint);
  const [, bracketed, plain = "", digits] =
    /^http:\/\/(?:\[([^\]]*)\]|([^:/?#[\]]*))(?::(\d+))?$/.exec(text) ??
      fail(`${cannot}: it is not http://HOST:PORT`, hint);
  if (digits === undefined) fail(`${cannot}: it has no port`, hint);
  const port = Number(digits);
  if (!/^[1-9]\d{0,4}$/.test(digits) || port > 65_535) {
    fail(`${cannot}: its port is not one from 1 to 65535`, hint);
  }
  const isNumeric = bracketed !== undefined || /^[\d.]*$/.test(plain);
  if (!isNumeric) {
    const host = plain.toLowerCase();
    if (!isDnsName(host)) fail(`${cannot}: its host is no host name`, hint);
    return { url: `http://${host}:${port}`, address: undefined };
  }
  const checked = parseIpAddress(bracketed ?? plain);
  if (
    "found" in checked ||
    (bracketed !== undefined) !== (checked.value.family === 6)
  ) {
    fail(`${cannot}: its host is no IP address`, hint);
  }
  const address = checked.value;
  const wrong = whyNotOneNode(address);
  if (wrong !== undefined) fail(`${cannot}: ${wrong}`, hint);
  return { url: urlOf(address.text, port), address };
}

/** Returns why an address does not name one node for others; undefined if it does. */
function whyNotOneNode({ family, bits }: IpAddress): string | undefined {
  const top = family === 4 ? bits >> 24n : bits >> 120n;
  if (family === 4 ? top === 0n : bits === 0n) {
    return "it means every address of the host";
  }
  if (family === 4 ? top >= 224n : top === 0xffn) {
    return "it is a multicast or broadcast address";
  }
  if (family === 6 && bits >> 118n === 0x3fan) {
    return "it is link-local and means nothing without an interface";
  }
  return undefined;
}

function refuseTwice(
  values: readonly string[],
  what: string,
  hint: string,
): void {
  const twice = values.find((value, index) => values.indexOf(value) < index);
  if (twice !== undefined) {
    fail(`Cannot use ${what} ${quote(twice)} a second time`, hint);
  }
}

function fail(message: string, hint: string): never {
  throw new UsageError(message, { hint });
}
