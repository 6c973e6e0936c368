/**
 * The store in memory, and the database that several such stores share.
 *
 * @module
 */

export { MemoryDatabase } from "../src/store/memory/memory_database.ts";
export {
  MemoryStore,
  type MemoryStoreInit,
} from "../src/store/memory/memory_store.ts";
