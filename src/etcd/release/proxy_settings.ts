/**
 * Which proxy the environment names for a URL, by the rules of `fetch`; which
 * URLs go without one, by those of curl.
 *
 * `fetch` obeys the same variables, but does not say whether it did; what leaves
 * without a proxy has its address checked before.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

/** Reads a variable of the environment. */
export type ReadVariable = (name: string) => string | undefined;

/**
 * Returns the proxy's URL, which may hold a password; `undefined` without a
 * proxy.
 *
 * What NO_PROXY excepts is read as curl and Go read it, which is more than
 * `fetch` excepts: what goes without a proxy is not left to `fetch`.
 */
export function proxyFor(
  url: URL,
  read: ReadVariable = (name) => Deno.env.get(name),
): string | undefined {
  const { protocol } = url;
  const exceptions = ["NO_PROXY", "no_proxy"].map((name) => read(name) ?? "");
  if (isExcepted(url, exceptions.join(","))) return undefined;
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

/** Whether a list as `localhost,.example.com:8080,10.0.0.0/8 [::1]` or `*` names the host of a URL. */
function isExcepted({ protocol, hostname, port }: URL, list: string): boolean {
  const host = withoutBrackets(hostname).replace(/\.$/, "");
  const usualPort = protocol === "https:" ? "443" : "80";
  return list.toLowerCase().split(/[\s,]+/).some((text) => {
    if (text === "*") return true;
    const [entry, wantedPort] = splitPort(text);
    if (wantedPort !== undefined && wantedPort !== (port || usualPort)) {
      return false;
    }
    return ipaddr.isValid(host)
      ? isInNetwork(host, entry)
      : isDomainOf(host, entry);
  });
}

/** An entry of the list, and the port after it. */
function splitPort(text: string): readonly [string, string | undefined] {
  const [, entry, port] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(text) ?? [];
  return entry === undefined
    ? [withoutBrackets(text), undefined]
    : [withoutBrackets(entry), port];
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
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
  const domain = entry.replace(/^\*?\.|\.$/g, "");
  return domain !== "" && (host === domain || host.endsWith(`.${domain}`));
}
