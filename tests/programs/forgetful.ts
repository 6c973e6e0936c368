/**
 * A program that drops an object, waits, and prints when it was collected.
 *
 * @module
 */

import { settleMemory } from "../../src/base/settle_memory.ts";

const collected = Promise.withResolvers<void>();
const registry = new FinalizationRegistry(() => collected.resolve());
registry.register({}, undefined);
settleMemory();
// Nothing else is allocated meanwhile, as in an agent that waits.
const waiting = setInterval(() => {}, 60_000);
await collected.promise;
clearInterval(waiting);
// deno-lint-ignore no-console -- the result of this program
console.log("collected");
