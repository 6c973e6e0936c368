/**
 * Where gRPC connects to: a member's host as it was given.
 *
 * gRPC looks names up by itself and connects to addresses. Deno then asks
 * whether the program may connect to the address, while permissions name the
 * host; and it asks of a lookup whether all ports may be used. A socket that is
 * given the name looks it up within the permission for that name and port, anew
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
    // It is always the same.
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
