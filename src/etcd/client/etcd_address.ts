/**
 * Makes gRPC connect to a member's host as it was given.
 *
 * gRPC by itself resolves a name and connects to the address. Deno then wants a
 * permission for that address, while the agent's permissions name the host; and
 * it wants a permission for all ports of the name to resolve it. A socket that is
 * given the name resolves it within the permission for that name and port, again
 * for each connection, and tries all addresses.
 *
 * @module
 */

import { authorityOf } from "../../base/url.ts";
import { experimental } from "@grpc/grpc-js";

const SCHEME = "etcd";

type Target = experimental.GrpcUri;
type Listener = experimental.ResolverListener;

/** Resolves `HOST:PORT` to itself. */
class HostResolver implements experimental.Resolver {
  readonly #target: Target;
  readonly #listener: Listener;
  #told = false;

  constructor(target: Target, listener: Listener) {
    this.#target = target;
    this.#listener = listener;
  }

  updateResolution(): void {
    // The result never changes, so once is enough.
    if (this.#told) return;
    this.#told = true;
    const { host = "", port = 0 } =
      experimental.splitHostPort(this.#target.path) ?? {};
    const endpoints = [{ addresses: [{ host, port }] }];
    queueMicrotask(() => {
      if (!this.#told) return;
      this.#listener(experimental.statusOrFromValue(endpoints), {}, null, "");
    });
  }

  destroy(): void {
    this.#told = false;
  }

  static getDefaultAuthority({ path }: Target): string {
    return path;
  }
}

experimental.registerResolver(SCHEME, HostResolver);

/** The target of a gRPC channel to a client URL, as `http://etcd-1.example:2379`. */
export function grpcTarget(clientUrl: string): string {
  return `${SCHEME}:${authorityOf(clientUrl)}`;
}
