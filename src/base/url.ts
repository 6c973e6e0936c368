/**
 * Reads and makes the URLs of members: hosts, ports, loopback.
 *
 * @module
 */

/** Whether `host`, as {@linkcode hostOf} returns it, can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host.startsWith("127.") || host === "::1";
}

/** Returns the host of a URL; an IPv6 address without its brackets, as etcd compares hosts. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

/** Returns the port of a URL; 80 if it names none, as URL drops the default port. */
export function portOf(url: string): number {
  return Number(new URL(url).port || 80);
}

/** Returns host and port of a URL for a permission; a host alone would allow all its ports. */
export function authorityOf(url: string): string {
  return `${new URL(url).hostname}:${portOf(url)}`;
}

/** Returns the URL of a port at an IP address. */
export function urlOf(address: string, port: number): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `http://${host}:${port}`;
}
