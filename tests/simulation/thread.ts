/**
 * A thread of the simulation: seeds in, outcome out.
 *
 * @module
 */

import { runSeeds, type Seeds } from "./run_seeds.ts";

/** What a worker's global scope has of messages. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Seeds>) => void) | null;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = async ({ data }) => scope.postMessage(await runSeeds(data));
