/**
 * Which proxy the environment names for a URL, by the rules of `fetch`.
 *
 * `fetch` obeys the same variables, but does not say whether it did; what leaves
 * without a proxy has its address checked before.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

/** Reads a variable of the environment. */
export type ReadVariable = (name: string) => string | undefined;

/** Returns the proxy's URL, which may hold a password; `undefined` without a proxy. */
export function proxyFor(
  { protocol, hostname }: URL,
  read: ReadVariable = (name) => Deno.env.get(name),
): string | undefined {
  const exceptions = read("NO_PROXY") ?? read("no_proxy") ?? "";
  if (isExcepted(hostname, exceptions)) return undefined;
  // A web server that runs a program makes HTTP_PROXY of a header of the request.
  const isCgi = read("REQUEST_METHOD") !== undefined;
  const names = [
    "ALL_PROXY",
    ...protocol === "https:" ? ["HTTPS_PROXY"] : isCgi ? [] : ["HTTP_PROXY"],
  ];
  return names.flatMap((name) => [name, name.toLowerCase()])
    .map((name) => usableProxy(read(name)))
    .find((proxy) => proxy !== undefined);
}

/** The value if it names a proxy that `fetch` can use; it ignores any other. */
function usableProxy(value: string | undefined): string | undefined {
  if (!value) return undefined;
  const url = URL.parse(value.includes("://") ? value : `http://${value}`);
  return url !== null &&
      ["http:", "https:", "socks5:", "socks5h:"].includes(url.protocol)
    ? value
    : undefined;
}

/** Whether a list as `localhost,.example.com,10.0.0.0/8` or `*` names the host. */
function isExcepted(hostname: string, list: string): boolean {
  if (list === "") return false;
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const entries = list.split(",").map((entry) => entry.trim());
  return ipaddr.isValid(host)
    ? entries.some((entry) => isInNetwork(host, entry))
    : entries.some((entry) => isDomainOf(host, entry));
}

function isInNetwork(host: string, entry: string): boolean {
  const address = ipaddr.parse(host);
  if (ipaddr.isValid(entry)) {
    return address.toString() === ipaddr.parse(entry).toString();
  }
  if (!ipaddr.isValidCIDR(entry)) return false;
  const [network, bits] = ipaddr.parseCIDR(entry);
  return address.kind() === network.kind() && address.match(network, bits);
}

function isDomainOf(host: string, entry: string): boolean {
  if (entry === "*") return true;
  const domain = entry.replace(/^\./, "");
  return domain !== "" && (host === domain || host.endsWith(`.${domain}`));
}
