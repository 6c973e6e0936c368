/**
 * Whether an etcd member serves, and whether it answers at all: asked over
 * plain HTTP.
 *
 * @module
 */

import { get } from "node:http";
import { abortable, Deadline } from "../../base/abortable.ts";
import { systemClock } from "../../base/clock.ts";
import { type EtcdVersion, parseEtcdVersion } from "../etcd_version.ts";

/** Options of the questions here. */
export interface HealthOptions {
  /** Ends the wait for the answer. */
  readonly signal: AbortSignal;
}

/**
 * Asks members how they are, by their client URLs. An interface, because a
 * thread that runs an etcd need not be one that may connect to it.
 */
export interface EtcdHealth {
  /** Resolves once the member serves; rejects with the signal's reason. */
  readonly untilServing: (
    clientUrl: string,
    options: HealthOptions,
  ) => Promise<void>;
  /** Whether the member says before the signal aborts that it knows a leader and answers reads. */
  readonly isServing: (
    clientUrl: string,
    options: HealthOptions,
  ) => Promise<boolean>;
  /** Whether the member answers at all before the signal aborts, with a majority or without. */
  readonly answers: (
    clientUrl: string,
    options: HealthOptions,
  ) => Promise<boolean>;
  /** The member's own version, as `3.6.14`; `undefined` if no etcd says one before the signal aborts. */
  readonly serverVersion: (
    clientUrl: string,
    options: HealthOptions,
  ) => Promise<string | undefined>;
}

/** The pause after a refused connection or "not yet": etcd starts in a few of them. */
const RETRY_MS = 10;
/** etcd listens early and answers when it is ready; after a longer silence it is asked again at once. */
const REQUEST_MS = 5_000;
/** An answer is some 40 bytes; what is longer is not etcd's. */
const MAX_ANSWER = 10_000;

/** Asks from this thread, which must be allowed to connect to the member. */
export const httpHealth: EtcdHealth = {
  async untilServing(clientUrl, { signal }) {
    while (true) {
      signal.throwIfAborted();
      using request = new Deadline(REQUEST_MS, () => new Error("No answer"), [
        signal,
      ]);
      if (await httpHealth.isServing(clientUrl, request)) return;
      await systemClock.sleep(RETRY_MS, { signal });
    }
  },
  // A database that is full counts as serving: it must be reached to be repaired.
  isServing: (clientUrl, { signal }) =>
    isTrue(
      ask(new URL("/health?exclude=NOSPACE", clientUrl), { signal })
        .then((answer) => /"health":\s*"?true/.test(answer)),
      signal,
    ),
  // Needs neither a leader nor other members.
  answers: (clientUrl, { signal }) =>
    isTrue(
      ask(new URL("/health?serializable=true", clientUrl), { signal })
        .then(() => true),
      signal,
    ),
  serverVersion: (clientUrl, { signal }) =>
    abortable(ask(new URL("/version", clientUrl), { signal }), signal).then(
      (answer) => /"etcdserver":\s*"(\d+\.\d+\.\d+)/.exec(answer)?.[1],
      () => undefined,
    ),
};

async function isTrue(
  answer: Promise<boolean>,
  signal: AbortSignal,
): Promise<boolean> {
  return await abortable(answer, signal).catch(() => false);
}

/**
 * Asks the member at `clientUrl` on which minor version its cluster agreed: that
 * of its oldest member. `undefined` while that is not decided.
 *
 * @throws {Error} if nothing answers there, or not in time.
 */
export async function readClusterVersion(
  clientUrl: string,
  options: HealthOptions,
): Promise<EtcdVersion | undefined> {
  const answer = await ask(new URL("/version", clientUrl), options);
  const [, version] = /"etcdcluster":\s*"(\d+\.\d+\.\d+)"/.exec(answer) ?? [];
  return version === undefined ? undefined : parseEtcdVersion(version);
}

/** Not by `fetch`, which would ask a proxy named in the environment. */
function ask(url: URL, { signal }: HealthOptions): Promise<string> {
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
