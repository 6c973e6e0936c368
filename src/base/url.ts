/**
 * Hosts, ports and URLs of members.
 *
 * @module
 */

/** Whether `host`, as {@linkcode hostOf} returns it, is this machine only. */
export function isLoopback(host: string): boolean {
  return host.startsWith("127.") || host === "::1";
}

/** Returns the host of a URL; an IPv6 address without its brackets, as etcd compares it. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

/** Returns the port of a URL; 80 is the one that a URL does not keep. */
export function portOf(url: string): number {
  return Number(new URL(url).port || 80);
}

/** Returns host and port of a URL, as permissions name them: a host alone would mean all its ports. */
export function authorityOf(url: string): string {
  return `${new URL(url).hostname}:${portOf(url)}`;
}

/** The URL of a port at an IP address. */
export function urlOf(address: string, port: number): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `http://${host}:${port}`;
}
