/**
 * Whether an etcd member serves, or lives at all: a question over plain HTTP.
 *
 * @module
 */

import { get } from "node:http";
import { type EtcdVersion, parseEtcdVersion } from "../etcd_version.ts";

/** Options of {@linkcode isServing}. */
export interface IsServingOptions {
  /** Gives up waiting for the answer. */
  readonly signal: AbortSignal;
}

/** An answer is some 40 bytes; what is longer is not etcd's. */
const MAX_ANSWER = 10_000;

/**
 * Asks the member at `clientUrl` whether it knows a leader and answers reads.
 * A database that is full counts as serving: it must be reached to be repaired.
 *
 * Not by `fetch`, which would ask a proxy named in the environment.
 *
 * @throws {Error} if nothing answers there, or not in time.
 */
export async function isServing(
  clientUrl: string,
  options: IsServingOptions,
): Promise<boolean> {
  const url = new URL("/health?exclude=NOSPACE", clientUrl);
  return /"health":\s*"?true/.test(await ask(url, options));
}

/**
 * Resolves when the member at `clientUrl` answers a question that needs
 * neither a leader nor other members, whatever it says.
 *
 * @throws {Error} if nothing answers there, or not in time.
 */
export async function hearFrom(
  clientUrl: string,
  options: IsServingOptions,
): Promise<void> {
  await ask(new URL("/health?serializable=true", clientUrl), options);
}

/**
 * Asks the member at `clientUrl` on which minor version its cluster agreed: that
 * of its oldest member. `undefined` while that is not decided.
 *
 * @throws {Error} if nothing answers there, or not in time.
 */
export async function readClusterVersion(
  clientUrl: string,
  options: IsServingOptions,
): Promise<EtcdVersion | undefined> {
  const answer = await ask(new URL("/version", clientUrl), options);
  const [, version] = /"etcdcluster":\s*"(\d+\.\d+\.\d+)"/.exec(answer) ?? [];
  return version === undefined ? undefined : parseEtcdVersion(version);
}

/**
 * Asks the member at `clientUrl` for its own version, as `3.6.14`; `undefined`
 * if what answers is no etcd.
 *
 * @throws {Error} if nothing answers there, or not in time.
 */
export async function readServerVersion(
  clientUrl: string,
  options: IsServingOptions,
): Promise<string | undefined> {
  const answer = await ask(new URL("/version", clientUrl), options);
  return /"etcdserver":\s*"(\d+\.\d+\.\d+)/.exec(answer)?.[1];
}

function ask(url: URL, { signal }: IsServingOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, signal }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
        if (text.length > MAX_ANSWER) request.destroy();
      });
      response.on("error", reject);
      response.on("close", () => resolve(text));
    });
    request.on("error", reject);
  });
}
