/**
 * The interface of the store, its errors and its keys: what a part needs that
 * is given a store. Nothing of etcd is loaded.
 *
 * @module
 */

export * from "../src/store/keys.ts";
export * from "../src/store/state_store.ts";
