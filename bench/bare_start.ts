/**
 * The start of what an agent is compared with: an etcd alone until it is healthy,
 * and a Go program with an embedded etcd until it leads.
 *
 * @module
 */

import { sleep } from "../tests/machine/sleep.ts";

import { once } from "node:events";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** The pause between two requests, in milliseconds: the error of a measured time. */
const ASK_MS = 1;
/** How long a start may take. */
const PATIENCE_MS = 60_000;

/** Starts etcd and ends it again; returns how long it took to `/health`. */
export async function timeBareEtcd(
  [program = "", ...args]: readonly string[],
  clientUrl: string,
): Promise<number> {
  const start = performance.now();
  const child = spawn(program, args, { stdio: "ignore" });
  const ended = once(child, "exit");
  while (!await isHealthy(clientUrl)) {
    const waited = performance.now() - start;
    if (child.exitCode !== null || waited > PATIENCE_MS) {
      child.kill("SIGKILL");
      throw new Error(`etcd did not start: ${args.join(" ")}`);
    }
    await sleep(ASK_MS);
  }
  const took = performance.now() - start;
  child.kill("SIGTERM");
  await ended;
  return took;
}

/** Starts a program, ends it again, and returns how long it took to print `line`. */
export async function timeUntilLine(
  program: string,
  args: readonly string[],
  line: string,
): Promise<number> {
  const start = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  for await (const said of createInterface({ input: child.stdout })) {
    if (said !== line) continue;
    const took = performance.now() - start;
    child.kill("SIGTERM");
    await ended;
    return took;
  }
  throw new Error(`${program} ended before it said "${line}"`);
}

async function isHealthy(clientUrl: string): Promise<boolean> {
  try {
    const response = await fetch(`${clientUrl}/health`);
    const { health } = await response.json();
    return health === "true";
  } catch {
    return false;
  }
}
