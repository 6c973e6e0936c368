/**
 * Closes what pages keep on the disk: the Cache API and `localStorage`. Deno
 * lets any thread write by them, below its own cache and without asking for a
 * right, until the disk is full; no flag turns them off.
 *
 * Import this first: what loads before could keep a reference. Deno hands out
 * the classes by no other way, and a module cannot import Deno's own.
 *
 * @module
 */

const STORAGE = [
  "caches",
  "Cache",
  "CacheStorage",
  "localStorage",
  "sessionStorage",
  "Storage",
] as const;

for (const name of STORAGE) Reflect.deleteProperty(globalThis, name);
