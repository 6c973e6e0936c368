/**
 * The rules for single values: numbers, names, networks, releases.
 *
 * Each takes the text of a scalar and knows nothing of files or of other
 * fields.
 *
 * @module
 */

import { cidrsOverlap, parseCidr } from "./ip_address.ts";
import { quote, type Rule } from "./rule.ts";

/** What a URL may have; longer ones do not survive proxies. */
const MAX_URL_LENGTH = 2048;

/** A whole number from `min` to `max`, in plain decimal digits. */
export function integer(
  { min, max, what = "a whole number" }: {
    readonly min: number;
    readonly max: number;
    readonly what?: string;
  },
): Rule<number> {
  return {
    type: "integer",
    wanted: `${what} from ${min} to ${max}`,
    check: (text) => {
      const value = Number(text);
      return /^(0|[1-9]\d*)$/.test(text) && value >= min && value <= max
        ? { value }
        : { found: /^[-+.\w]{1,40}$/.test(text) ? text : quote(text) };
    },
  };
}

/** The one text that is accepted. */
export function exactly(expected: string): Rule<string> {
  return {
    type: "string",
    wanted: quote(expected),
    check: (text) =>
      text === expected ? { value: text } : { found: quote(text) },
  };
}

/** Ranges that have a meaning of their own on every system (RFC 6890, RFC 4291). */
const SPECIAL_RANGES: readonly (readonly [cidr: string, meaning: string])[] = [
  ["0.0.0.0/8", "this host"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["224.0.0.0/4", "multicast"],
  ["::/127", "loopback"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
];

const specialRanges = SPECIAL_RANGES.map(([text, meaning]) => {
  const checked = parseCidr(text);
  if ("found" in checked) throw new TypeError(`Cannot read ${checked.found}`);
  return { range: checked.value, meaning, text };
});

/** A network for addresses of the cluster's own; the value is its canonical text. */
export const network: Rule<string> = {
  type: "string",
  wanted: "a network such as 10.100.0.0/16 or fd00:100::/48",
  check: (text) => {
    const checked = parseCidr(text);
    if ("found" in checked) return checked;
    const special = specialRanges.find(({ range }) =>
      cidrsOverlap(range, checked.value)
    );
    return special === undefined ? { value: checked.value.text } : {
      found: `${
        quote(text)
      }, which overlaps ${special.text} (${special.meaning})`,
    };
  },
};

/** Returns whether `text` can stand between two dots of a host name; lower case only. */
function isDnsLabel(text: string): boolean {
  return /^[a-z\d]([-a-z\d]{0,61}[a-z\d])?$/.test(text);
}

/** Returns whether `text` is a host name: labels with dots between, at most 253 characters in all. */
export function isDnsName(text: string): boolean {
  return text.length <= 253 && text.split(".").every(isDnsLabel);
}

/** One label of a DNS name. */
export const dnsLabel: Rule<string> = {
  type: "string",
  wanted: 'a name of at most 63 characters from a-z, 0-9 and "-", ' +
    "with a letter or digit at both ends",
  check: (text) => isDnsLabel(text) ? { value: text } : { found: quote(text) },
};

/** A DNS name that cannot be taken for an address. */
export const dnsName: Rule<string> = {
  type: "string",
  wanted:
    "a DNS name in lower case such as kat.cluster.local, without a dot at " +
    "its end",
  check: (text) => {
    if (!isDnsName(text)) return { found: quote(text) };
    return /(^|\.)\d+$/.test(text)
      ? { found: `${quote(text)}, whose last part is a number` }
      : { value: text };
  },
};

/** A release of etcd that the agent can run. */
export const etcdVersion: Rule<string> = {
  type: "string",
  wanted: "a release from 3.4 to 3.7, such as 3.6.14",
  check: (text) =>
    /^3\.[4-7]\.(0|[1-9]\d{0,4})$/.test(text)
      ? { value: text }
      : { found: quote(text) },
};

/** A SHA-256. */
export const sha256: Rule<string> = {
  type: "string",
  wanted: "a SHA-256 of 64 lowercase hexadecimal digits",
  check: (text) =>
    /^[\da-f]{64}$/.test(text) ? { value: text } : { found: quote(text) },
};

/** An HTTP URL that holds no secrets; a message never quotes one that does. */
export const mirrorUrl: Rule<string> = {
  type: "string",
  wanted:
    "an http:// or https:// URL without user, password, query and fragment",
  check: (text) => {
    if (text.includes("@")) return { found: "a URL with a user or password" };
    if (text.includes("?")) return { found: "a URL with a query" };
    const url = URL.parse(text);
    return /^https?:\/\/[^\s/\\#\p{C}\p{Z}][^\s\\#\p{C}\p{Z}]*$/u.test(text) &&
        text.length <= MAX_URL_LENGTH && url !== null
      ? { value: text }
      : { found: quote(text) };
  },
};
